#include "tests/bench/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox::bench {
namespace {

constexpr int kCallTimeoutS = 60;
constexpr int kImportTimeoutS = 600;
constexpr size_t kOutputBytesMax = size_t{64} << 10;

void SetDeadline(grpc::ClientContext* context, int seconds = kCallTimeoutS) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
}

absl::Status FromGrpc(const grpc::Status& status, absl::string_view call) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(call, ": ", status.error_message()));
}

v1::RunExecRequest MakeRequest(const std::string& sandbox,
                               const std::vector<std::string>& arguments) {
  v1::RunExecRequest request;
  request.set_sandbox_id(sandbox);
  for (const std::string& argument : arguments) {
    request.mutable_spec()->add_arguments(argument);
  }
  return request;
}

absl::Status CheckEnd(const v1::End& end) {
  if (end.cause() == v1::END_CAUSE_EXITED && end.exit_code() == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("exec: ", end.ShortDebugString()));
}

}  // namespace

Client::Client(const std::shared_ptr<grpc::Channel>& channel)
    : sandboxes_(v1::SandboxService::NewStub(channel)),
      execs_(v1::ExecService::NewStub(channel)),
      snapshots_(v1::SnapshotService::NewStub(channel)) {}

absl::StatusOr<Client> Client::Connect(const std::string& socket, int timeout_ms) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  // The daemon needs a moment to listen; the next attempt shall not wait a second for it.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  auto channel = grpc::CreateCustomChannel(absl::StrCat("unix:", socket),
                                           grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() +
                                 std::chrono::milliseconds(timeout_ms))) {
    return absl::UnavailableError(absl::StrCat("nothing serves at ", socket));
  }
  return Client(channel);
}

absl::Status Client::ImportImage(const std::string& name, const std::string& archive) const {
  grpc::ClientContext context;
  SetDeadline(&context, kImportTimeoutS);
  v1::ImportImageRequest request;
  request.set_name(name);
  request.set_archive_path(archive);
  auto stream = snapshots_->ImportImage(&context, request);
  v1::ImportImageResponse response;
  while (stream->Read(&response)) {
  }
  return FromGrpc(stream->Finish(), "ImportImage");
}

absl::StatusOr<std::string> Client::Create(const CreateOptions& options) const {
  grpc::ClientContext context;
  SetDeadline(&context, kImportTimeoutS);
  v1::CreateSandboxRequest request;
  request.set_image(options.image);
  if (!options.repository.empty()) {
    request.mutable_repository()->set_path(options.repository);
    request.mutable_repository()->set_commit(options.commit);
  }
  if (options.pids_max > 0) request.mutable_limits()->set_pids_max(options.pids_max);
  if (options.memory_bytes > 0) request.mutable_limits()->set_memory_bytes(options.memory_bytes);
  v1::CreateSandboxResponse response;
  RETURN_IF_ERROR(
      FromGrpc(sandboxes_->CreateSandbox(&context, request, &response), "CreateSandbox"));
  return response.sandbox().id();
}

absl::Status Client::Get(const std::string& sandbox) const {
  grpc::ClientContext context;
  SetDeadline(&context);
  v1::GetSandboxRequest request;
  request.set_sandbox_id(sandbox);
  v1::GetSandboxResponse response;
  return FromGrpc(sandboxes_->GetSandbox(&context, request, &response), "GetSandbox");
}

absl::Status Client::Delete(const std::string& sandbox) const {
  grpc::ClientContext context;
  SetDeadline(&context);
  v1::DeleteSandboxRequest request;
  request.set_sandbox_id(sandbox);
  v1::DeleteSandboxResponse response;
  return FromGrpc(sandboxes_->DeleteSandbox(&context, request, &response), "DeleteSandbox");
}

absl::StatusOr<Measurement> Client::Exec(const std::string& sandbox,
                                         const std::vector<std::string>& arguments) const {
  grpc::ClientContext context;
  SetDeadline(&context);
  const v1::RunExecRequest request = MakeRequest(sandbox, arguments);
  Measurement times;
  v1::RunExecResponse response;
  absl::Status end = absl::DataLossError("RunExec ended without an end frame");
  double start = NowUs();
  auto stream = execs_->RunExec(&context, request);
  while (stream->Read(&response)) {
    if (!response.has_frame()) continue;
    if (response.frame().has_stdout()) times.try_emplace("first_byte", NowUs() - start);
    if (!response.frame().has_end()) continue;
    times["end"] = NowUs() - start;
    end = CheckEnd(response.frame().end());
  }
  RETURN_IF_ERROR(FromGrpc(stream->Finish(), "RunExec"));
  RETURN_IF_ERROR(end);
  return times;
}

absl::StatusOr<StreamResult> Client::Stream(const std::string& sandbox,
                                            const std::vector<std::string>& arguments) const {
  grpc::ClientContext context;
  SetDeadline(&context, kImportTimeoutS);
  v1::RunExecRequest request = MakeRequest(sandbox, arguments);
  request.mutable_spec()->set_output_policy(v1::OUTPUT_POLICY_BACK_PRESSURE);
  StreamResult result;
  v1::RunExecResponse response;
  absl::Status end = absl::DataLossError("RunExec ended without an end frame");
  uint64_t gap_bytes = 0;
  double start = NowUs();
  auto stream = execs_->RunExec(&context, request);
  while (stream->Read(&response)) {
    if (!response.has_frame()) continue;
    result.bytes += response.frame().stdout().size();
    gap_bytes += response.frame().gap().bytes();
    if (!response.frame().has_end()) continue;
    end = CheckEnd(response.frame().end());
    if (end.ok() && response.frame().end().stdout_bytes().total() != result.bytes) {
      end = absl::DataLossError(absl::StrCat("got ", result.bytes, " bytes of ",
                                             response.frame().end().stdout_bytes().total()));
    }
  }
  result.seconds = (NowUs() - start) / 1e6;
  RETURN_IF_ERROR(FromGrpc(stream->Finish(), "RunExec"));
  RETURN_IF_ERROR(end);
  if (gap_bytes > 0) return absl::DataLossError(absl::StrCat("gaps of ", gap_bytes, " bytes"));
  return result;
}

absl::StatusOr<std::string> Client::Output(const std::string& sandbox,
                                           const std::vector<std::string>& arguments) const {
  grpc::ClientContext context;
  SetDeadline(&context, kImportTimeoutS);
  v1::RunExecResponse response;
  std::string output;
  absl::Status end = absl::DataLossError("RunExec ended without an end frame");
  auto stream = execs_->RunExec(&context, MakeRequest(sandbox, arguments));
  while (stream->Read(&response)) {
    if (output.size() < kOutputBytesMax) output += response.frame().stdout();
    if (response.frame().has_end()) end = CheckEnd(response.frame().end());
  }
  RETURN_IF_ERROR(FromGrpc(stream->Finish(), "RunExec"));
  RETURN_IF_ERROR(end);
  return output;
}

absl::StatusOr<std::string> Client::Start(const std::string& sandbox,
                                          const std::vector<std::string>& arguments,
                                          bool waits) const {
  grpc::ClientContext context;
  SetDeadline(&context);
  v1::StartExecRequest request;
  request.set_sandbox_id(sandbox);
  for (const std::string& argument : arguments) request.mutable_spec()->add_arguments(argument);
  if (waits) request.mutable_spec()->set_stdin_mode(v1::STDIN_MODE_PIPE);
  v1::StartExecResponse response;
  RETURN_IF_ERROR(FromGrpc(execs_->StartExec(&context, request, &response), "StartExec"));
  return response.exec().exec_id();
}

absl::Status Client::Release(const std::string& sandbox, const std::string& exec) const {
  grpc::ClientContext context;
  SetDeadline(&context);
  v1::WriteStdinRequest request;
  request.set_sandbox_id(sandbox);
  request.set_exec_id(exec);
  request.set_eof(true);
  v1::WriteStdinResponse response;
  return FromGrpc(execs_->WriteStdin(&context, request, &response), "WriteStdin");
}

absl::Status Client::KillTree(const std::string& sandbox, const std::string& exec) const {
  grpc::ClientContext context;
  SetDeadline(&context);
  v1::SignalExecRequest request;
  request.set_sandbox_id(sandbox);
  request.set_exec_id(exec);
  request.set_signal(SIGKILL);
  request.set_scope(v1::SIGNAL_SCOPE_TREE);
  v1::SignalExecResponse response;
  return FromGrpc(execs_->SignalExec(&context, request, &response), "SignalExec");
}

absl::Status Client::Wait(const std::string& sandbox, const std::string& exec) const {
  grpc::ClientContext context;
  SetDeadline(&context, kImportTimeoutS);
  v1::WaitExecRequest request;
  request.set_sandbox_id(sandbox);
  request.set_exec_id(exec);
  v1::WaitExecResponse response;
  return FromGrpc(execs_->WaitExec(&context, request, &response), "WaitExec");
}

absl::StatusOr<StreamResult> Client::Attach(
    const std::string& sandbox, const std::string& exec, const std::function<void()>& attached,
    const std::function<bool(const std::string&)>& output) const {
  grpc::ClientContext context;
  SetDeadline(&context, kImportTimeoutS);
  v1::AttachExecRequest request;
  request.set_sandbox_id(sandbox);
  request.set_exec_id(exec);
  v1::AttachExecResponse response;
  StreamResult result;
  bool first = true;
  double start = 0;
  auto stream = execs_->AttachExec(&context, request);
  while (stream->Read(&response)) {
    if (std::exchange(first, false)) attached();
    const std::string& piece = response.frame().stdout();
    if (start == 0 && !piece.empty()) start = NowUs();
    result.bytes += piece.size();
    result.gap_bytes += response.frame().gap().bytes();
    if (!piece.empty() && !output(piece)) {
      context.TryCancel();
      (void)stream->Finish();  // cancelled, as was asked for
      return result;
    }
  }
  if (start > 0) result.seconds = (NowUs() - start) / 1e6;
  RETURN_IF_ERROR(FromGrpc(stream->Finish(), "AttachExec"));
  return result;
}

}  // namespace glovebox::bench

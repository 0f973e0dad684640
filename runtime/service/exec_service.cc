#include "service/exec_service.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status.h"
#include "service/convert_exec.h"
#include "service/find_sandbox.h"
#include "service/frame_stream.h"
#include "service/request_error.h"
#include "service/unary_call.h"
#include "service/watched_call.h"

namespace glovebox {
namespace {

constexpr size_t kStdinBytesMax = size_t{1} << 20;

template <typename Request>
CallName NameOf(const char* method, const Request& request) {
  return {method, request.sandbox_id(), request.exec_id()};
}

// last + 1 is the next output, or the end; after the end frame there is nothing to ask for.
absl::Status CheckSequence(const Exec& exec, uint64_t from) {
  const uint64_t last = exec.Snapshot().last_sequence;
  if (from <= last + 2) return absl::OkStatus();
  return DetailedError(
      absl::StatusCode::kOutOfRange,
      absl::StrCat("sequence ", from, " was never given; the last is ", last),
      {"SEQUENCE_IN_FUTURE", {{"field", "from_sequence"}, {"value", absl::StrCat(last)}}});
}

absl::StatusOr<OutputReader::Pace> PaceOf(const std::string& reader) {
  if (reader.empty()) return OutputReader::WaitedFor();
  ASSIGN_OR_RETURN(std::string name, ParseClientName(reader, "reader"));
  return OutputReader::WaitedFor(std::move(name));
}

}  // namespace

absl::StatusOr<std::shared_ptr<Exec>> ExecService::Find(const Caller& caller,
                                                        const std::string& sandbox_id,
                                                        const std::string& exec_id) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Sandbox> sandbox, FindSandbox(deps_, caller, sandbox_id));
  ASSIGN_OR_RETURN(const std::string id, ParseClientName(exec_id, "exec_id"));
  return sandbox->FindExec(id);
}

template <typename Request>
absl::StatusOr<std::shared_ptr<Exec>> ExecService::Start(const Request& request,
                                                         CallReport& report) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Sandbox> sandbox,
                   FindSandbox(deps_, report.caller(), request.sandbox_id()));
  std::string id = NewRandomId();
  if (request.has_exec_id()) {
    ASSIGN_OR_RETURN(id, ParseClientName(request.exec_id(), "exec_id"));
  }
  ASSIGN_OR_RETURN(const ExecSpec spec,
                   FromProto(request.spec(), sandbox->workdir(), deps_.output));
  report.SetExec(id);
  if (deps_.audit_arguments) report.SetArguments(absl::StrJoin(spec.arguments, " "));
  ASSIGN_OR_RETURN(const ClientBook::Ticket starting, deps_.sandboxes->AdmitExec(report.caller()));
  return sandbox->StartExec(id, spec);
}

grpc::ServerUnaryReactor* ExecService::StartExec(grpc::CallbackServerContext* context,
                                                 const v1::StartExecRequest* request,
                                                 v1::StartExecResponse* response) {
  // A look at the files takes longer than other calls.
  WorkQueue* const queue = request->spec().track_changes() ? deps_.transfers : deps_.calls;
  return UnaryCall::Run(deps_, *context, NameOf("ExecService/StartExec", *request), queue,
                        [this, request, response](const UnaryCall& call) {
                          auto exec = Start(*request, call.report());
                          if (!exec.ok()) return exec.status();
                          *response->mutable_exec() = ToProto(**exec, request->sandbox_id(),
                                                              WithEnvironment::kYes, *deps_.clock);
                          return absl::OkStatus();
                        });
}

grpc::ServerWriteReactor<v1::AttachExecResponse>* ExecService::AttachExec(
    grpc::CallbackServerContext* context, const v1::AttachExecRequest* request) {
  using Stream = FrameStream<v1::AttachExecResponse>;
  return Stream::Run(deps_, *context, NameOf("ExecService/AttachExec", *request),
                     [this, request](CallReport& report) -> absl::StatusOr<Stream::Opened> {
                       Stream::Opened opened;
                       ASSIGN_OR_RETURN(opened.exec, Find(report.caller(), request->sandbox_id(),
                                                          request->exec_id()));
                       RETURN_IF_ERROR(CheckSequence(*opened.exec, request->from_sequence()));
                       opened.reader = std::make_unique<OutputReader>(
                           opened.exec, request->from_sequence(), OutputReader::NeverWaitedFor());
                       opened.follow = !request->no_follow();
                       return opened;
                     });
}

grpc::ServerWriteReactor<v1::RunExecResponse>* ExecService::RunExec(
    grpc::CallbackServerContext* context, const v1::RunExecRequest* request) {
  using Stream = FrameStream<v1::RunExecResponse>;
  return Stream::Run(
      deps_, *context, NameOf("ExecService/RunExec", *request),
      [this, request](CallReport& report) -> absl::StatusOr<Stream::Opened> {
        Stream::Opened opened;
        ASSIGN_OR_RETURN(const OutputReader::Pace pace, PaceOf(request->reader()));
        if (request->from_sequence() == 0) {
          ASSIGN_OR_RETURN(opened.exec, Start(*request, report));
        } else {
          ASSIGN_OR_RETURN(opened.exec,
                           Find(report.caller(), request->sandbox_id(), request->exec_id()));
          RETURN_IF_ERROR(CheckSequence(*opened.exec, request->from_sequence()));
        }
        opened.reader = std::make_unique<OutputReader>(opened.exec, request->from_sequence(), pace);
        *opened.first.emplace().mutable_exec() =
            ToProto(*opened.exec, request->sandbox_id(), WithEnvironment::kYes, *deps_.clock);
        return opened;
      },
      request->spec().track_changes() ? deps_.transfers : nullptr);
}

grpc::ServerUnaryReactor* ExecService::AcknowledgeOutput(
    grpc::CallbackServerContext* context, const v1::AcknowledgeOutputRequest* request,
    v1::AcknowledgeOutputResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, NameOf("ExecService/AcknowledgeOutput", *request), deps_.calls,
      [this, request](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string reader, ParseClientName(request->reader(), "reader"));
        ASSIGN_OR_RETURN(const auto exec,
                         Find(call.caller(), request->sandbox_id(), request->exec_id()));
        return exec->Acknowledge(reader, request->sequence());
      });
}

grpc::ServerWriteReactor<v1::RunShellCommandResponse>* ExecService::RunShellCommand(
    grpc::CallbackServerContext* context, const v1::RunShellCommandRequest* request) {
  using Stream = FrameStream<v1::RunShellCommandResponse>;
  return Stream::Run(
      deps_, *context, NameOf("ExecService/RunShellCommand", *request),
      [this, request](CallReport& report) -> absl::StatusOr<Stream::Opened> {
        Stream::Opened opened;
        ASSIGN_OR_RETURN(const ShellCommand command, FromProto(*request));
        ASSIGN_OR_RETURN(opened.exec,
                         Find(report.caller(), request->sandbox_id(), request->exec_id()));
        ASSIGN_OR_RETURN(const OutputReader::Pace pace, PaceOf(request->reader()));
        ASSIGN_OR_RETURN(const ShellTicket ticket, opened.exec->RunShellCommand(command));
        RETURN_IF_ERROR(CheckSequence(*opened.exec, request->from_sequence()));
        const uint64_t from = std::max(ticket.from_sequence, request->from_sequence());
        opened.reader = std::make_unique<OutputReader>(opened.exec, from, pace);
        opened.reader->FollowCommand(ticket.number, from > ticket.from_sequence);
        return opened;
      });
}

grpc::ServerUnaryReactor* ExecService::WriteStdin(grpc::CallbackServerContext* context,
                                                  const v1::WriteStdinRequest* request,
                                                  v1::WriteStdinResponse* response) {
  return WatchedCall::Run(
      deps_, *context, NameOf("ExecService/WriteStdin", *request),
      [this, request](const Caller& caller) -> absl::StatusOr<std::shared_ptr<Exec>> {
        if (request->data().size() > kStdinBytesMax) {
          return FieldError("data", absl::StrCat("has at most ", kStdinBytesMax, " bytes"));
        }
        if (request->offset() > UINT64_MAX - kStdinBytesMax) {
          return FieldError("offset", "is beyond any input");
        }
        return Find(caller, request->sandbox_id(), request->exec_id());
      },
      [request, response](Exec& exec) -> std::optional<absl::Status> {
        absl::StatusOr<uint64_t> taken =
            exec.WriteStdin(request->offset(), request->data(), request->eof());
        if (!taken.ok()) return taken.status();
        if (*taken < request->offset() + request->data().size()) return std::nullopt;
        response->set_accepted_offset(*taken);
        response->set_written_offset(exec.Snapshot().stdin_written);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ExecService::SignalExec(grpc::CallbackServerContext* context,
                                                  const v1::SignalExecRequest* request,
                                                  v1::SignalExecResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, NameOf("ExecService/SignalExec", *request), deps_.calls,
      [this, request](const UnaryCall& call) -> absl::Status {
        if (request->signal() < 1 || request->signal() > 64) {
          return FieldError("signal", "must be 1 to 64");
        }
        ASSIGN_OR_RETURN(const SignalScope scope, FromProto(request->scope()));
        ASSIGN_OR_RETURN(const auto exec,
                         Find(call.caller(), request->sandbox_id(), request->exec_id()));
        ASSIGN_OR_RETURN(const auto sandbox,
                         FindSandbox(deps_, call.caller(), request->sandbox_id()));
        return sandbox->SignalExec(*exec, static_cast<uint32_t>(request->signal()), scope);
      });
}

grpc::ServerUnaryReactor* ExecService::ResizeTerminal(grpc::CallbackServerContext* context,
                                                      const v1::ResizeTerminalRequest* request,
                                                      v1::ResizeTerminalResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, NameOf("ExecService/ResizeTerminal", *request), deps_.calls,
      [this, request](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const TerminalSize size, FromProto(request->terminal(), "terminal"));
        ASSIGN_OR_RETURN(const auto exec,
                         Find(call.caller(), request->sandbox_id(), request->exec_id()));
        if (exec->Snapshot().result.has_value()) {
          return DetailedError(absl::StatusCode::kFailedPrecondition, "the command has ended",
                               {"EXEC_ENDED", {}});
        }
        return exec->Resize(size);
      });
}

grpc::ServerUnaryReactor* ExecService::WaitExec(grpc::CallbackServerContext* context,
                                                const v1::WaitExecRequest* request,
                                                v1::WaitExecResponse* response) {
  return WatchedCall::Run(
      deps_, *context, NameOf("ExecService/WaitExec", *request),
      [this, request](const Caller& caller) {
        return Find(caller, request->sandbox_id(), request->exec_id());
      },
      [this, request, response](Exec& exec) -> std::optional<absl::Status> {
        if (!exec.Snapshot().result.has_value()) return std::nullopt;
        *response->mutable_exec() =
            ToProto(exec, request->sandbox_id(), WithEnvironment::kYes, *deps_.clock);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ExecService::GetExec(grpc::CallbackServerContext* context,
                                               const v1::GetExecRequest* request,
                                               v1::GetExecResponse* response) {
  return UnaryCall::Run(
      deps_, *context, NameOf("ExecService/GetExec", *request), deps_.calls,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto exec,
                         Find(call.caller(), request->sandbox_id(), request->exec_id()));
        *response->mutable_exec() =
            ToProto(*exec, request->sandbox_id(), WithEnvironment::kYes, *deps_.clock);
        return absl::OkStatus();
      });
}

absl::Status ExecService::List(const Caller& caller, const v1::ListExecsRequest& request,
                               v1::ListExecsResponse* response) const {
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query = absl::StrCat("ListExecs\n", WithoutPage(request).SerializeAsString());
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps_, caller, request.sandbox_id()));
  std::vector<std::shared_ptr<Exec>> execs = sandbox->ListExecs();
  std::erase_if(execs, [&](const std::shared_ptr<Exec>& exec) {
    const v1::ExecState state = ToProto(exec->Snapshot().state);
    return request.states_size() > 0 && std::find(request.states().begin(), request.states().end(),
                                                  state) == request.states().end();
  });
  const std::string last = TakePage<std::shared_ptr<Exec>>(
      execs, after, size, [](const auto& exec) { return SortableKey(exec->number()); },
      [&](const auto& exec) {
        *response->add_execs() =
            ToProto(*exec, request.sandbox_id(), WithEnvironment::kNo, *deps_.clock);
        return response->execs().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ExecService::ListExecs(grpc::CallbackServerContext* context,
                                                 const v1::ListExecsRequest* request,
                                                 v1::ListExecsResponse* response) {
  return UnaryCall::Run(deps_, *context, {"ExecService/ListExecs", request->sandbox_id()},
                        deps_.calls, [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

}  // namespace glovebox

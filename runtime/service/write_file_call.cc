#include "service/write_file_call.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/file_request.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr size_t kChunkBytesMax = size_t{1} << 20;

}  // namespace

WriteFileCall::WriteFileCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                             v1::WriteFileResponse* response)
    : deps_(deps),
      report_(deps, context, {"FileService/WriteFile"}, CallKind::kTransfer),
      response_(response) {}

WriteFileCall* WriteFileCall::Run(const ServiceDeps& deps,
                                  const grpc::CallbackServerContext& context,
                                  v1::WriteFileResponse* response) {
  auto* call = new WriteFileCall(deps, context, response);
  if (const absl::Status& admitted = call->report_.admitted(); !admitted.ok()) {
    call->End(admitted);
  } else {
    call->StartRead(&call->message_);
  }
  return call;
}

void WriteFileCall::OnReadDone(bool ok) {
  if (!ok) return StartSendInitialMetadata();
  if (run_ == nullptr) share_ = report_.caller().ShareFor(message_.target().sandbox_id());
  if (deps_.transfers->TryRun([this] { TakeMessage(); }, share_)) return;
  if (run_ == nullptr) return End(TooManyCalls());
  LetGo();
}

void WriteFileCall::OnSendInitialMetadataDone(bool ok) {
  if (!ok) cancelled_.store(true, std::memory_order_release);
  if (run_ == nullptr) return Complete();
  if (!deps_.transfers->TryRun([this] { Complete(); }, share_)) LetGo();
}

// To let go of a run takes a thread as well, and is never gRPC's own. There is one for each program
// in a sandbox at most.
void WriteFileCall::LetGo() {
  deps_.transfers->Run([this] { End(TooManyCalls()); }, share_);
}

absl::Status WriteFileCall::Begin() {
  if (!message_.has_target()) {
    return FieldError("target", "is missing: the first message says where the file is");
  }
  const v1::WriteFileTarget& target = message_.target();
  report_.SetSandbox(target.sandbox_id());
  RETURN_IF_ERROR(CheckFilePath(target.path(), "target.path"));
  if (target.has_mode()) RETURN_IF_ERROR(CheckFileMode(target.mode()));
  if (target.has_expected_digest()) {
    RETURN_IF_ERROR(CheckExpectedDigest(target.expected_digest()));
  }
  if (target.must_be_new() && target.has_expected_digest()) {
    return FieldError("target.expected_digest", "is of a file that is there, and none must be");
  }
  ASSIGN_OR_RETURN(auto sandbox, FindSandbox(deps_, report_.caller(), target.sandbox_id()));
  ASSIGN_OR_RETURN(run_, FilesRun::Start(std::move(sandbox), kFilesWrite, target.path(), [this] {
                     return cancelled_.load(std::memory_order_acquire);
                   }));
  return run_->Send(FilesFrameKind::kRequest, target.SerializeAsString());
}

absl::Status WriteFileCall::Write() {
  if (run_ == nullptr) return Begin();
  if (message_.has_target()) return FieldError("target", "is of the first message alone");
  if (message_.chunk().size() > kChunkBytesMax) {
    return FieldError("chunk", absl::StrCat("has at most ", kChunkBytesMax, " bytes a message"));
  }
  absl::string_view rest = message_.chunk();
  while (!rest.empty()) {
    const size_t size = std::min(rest.size(), kFilesContentBytesMax);
    RETURN_IF_ERROR(run_->Send(FilesFrameKind::kContent, rest.substr(0, size)));
    rest.remove_prefix(size);
  }
  return absl::OkStatus();
}

void WriteFileCall::TakeMessage() {
  if (cancelled_.load(std::memory_order_acquire)) return End(CallCancelled());
  if (const absl::Status written = Write(); !written.ok()) return End(written);
  StartRead(&message_);
}

absl::Status WriteFileCall::Commit() {
  if (cancelled_.load(std::memory_order_acquire)) return CallCancelled();
  if (run_ == nullptr) {
    return FieldError("target", "is missing: the first message says where the file is");
  }
  RETURN_IF_ERROR(run_->Send(FilesFrameKind::kCommit, ""));
  ASSIGN_OR_RETURN(const FilesFrame frame, run_->Receive());
  const bool read = frame.kind == FilesFrameKind::kDone && response_->ParseFromString(frame.body);
  return read ? absl::OkStatus() : UnreadableAnswer();
}

void WriteFileCall::Complete() { End(Commit()); }

void WriteFileCall::End(const absl::Status& status) {
  run_.reset();                 // before the client can look
  Finish(report_.End(status));  // this may be gone from here on
}

}  // namespace glovebox

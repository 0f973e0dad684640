#include "service/upload_call.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/convert_snapshot.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr size_t kDataBytesMax = size_t{1} << 20;
// What is compared with its digest in a few milliseconds needs no other queue.
constexpr uint64_t kComparedAtOnce = uint64_t{4} << 20;

}  // namespace

UploadCall::UploadCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                       v1::UploadBlobResponse* response)
    : deps_(deps),
      report_(deps, context, {"SnapshotService/UploadBlob"}, CallKind::kTransfer),
      response_(response) {}

UploadCall* UploadCall::Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                            v1::UploadBlobResponse* response) {
  auto* call = new UploadCall(deps, context, response);
  if (const absl::Status& admitted = call->report_.admitted(); !admitted.ok()) {
    call->End(admitted);
  } else {
    call->StartRead(&call->message_);
  }
  return call;
}

void UploadCall::OnReadDone(bool ok) {
  if (ok) {
    if (!deps_.calls->TryRun([this] { TakeMessage(); })) End(TooManyCalls());
    return;
  }
  if (cancelled_.load(std::memory_order_acquire)) return End(CallCancelled());
  // What has come is kept; the answer says how much that is.
  End(upload_ == nullptr ? FieldError("digest", "is missing: the first message names the blob")
                         : absl::OkStatus());
}

absl::Status UploadCall::Begin() {
  ASSIGN_OR_RETURN(const BlobDigest digest, FromProto(message_.digest(), "digest"));
  ASSIGN_OR_RETURN(upload_, deps_.sandboxes->BeginUpload(report_.caller(), digest));
  return absl::OkStatus();
}

absl::Status UploadCall::Write() {
  if (upload_ == nullptr) {
    RETURN_IF_ERROR(Begin());
  } else if (message_.has_digest()) {
    return FieldError("digest", "is of the first message alone");
  }
  if (message_.data().size() > kDataBytesMax) {
    return FieldError("data", absl::StrCat("has at most ", kDataBytesMax, " bytes a message"));
  }
  return message_.data().empty() ? absl::OkStatus()
                                 : upload_->Write(message_.offset(), message_.data());
}

void UploadCall::TakeMessage() {
  if (cancelled_.load(std::memory_order_acquire)) return End(CallCancelled());
  if (const absl::Status written = Write(); !written.ok()) return End(written);
  if (!upload_->is_whole()) return StartRead(&message_);
  if (upload_->size_bytes() <= kComparedAtOnce) return Compare();
  if (!deps_.transfers->TryRun([this] { Compare(); })) End(TooManyCalls());
}

void UploadCall::Compare() { End(upload_->Finish()); }

void UploadCall::End(const absl::Status& status) {
  if (status.ok()) response_->set_committed_offset(upload_->accepted());
  upload_.reset();              // before the client can begin the next one
  Finish(report_.End(status));  // this may be gone from here on
}

}  // namespace glovebox

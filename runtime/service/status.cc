#include "service/status.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "google/rpc/error_details.pb.h"

namespace glovebox {
namespace {

constexpr size_t kMetadataValueBytesMax = 512;
constexpr size_t kMetadataEntriesMax = 16;
constexpr int64_t kRetryMillis = 500;

// What an error without a reason of its own is called.
const char* ReasonOfCode(absl::StatusCode code) {
  if (code == absl::StatusCode::kInvalidArgument) return "INVALID_FIELD";
  if (code == absl::StatusCode::kCancelled) return "CALL_CANCELLED";
  if (code == absl::StatusCode::kUnimplemented) return "METHOD_NOT_SERVED";
  return "UNCLASSIFIED";
}

ErrorDetail DetailOf(const absl::Status& status) {
  ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail{});
  if (detail.reason.empty()) detail.reason = ReasonOfCode(status.code());
  return detail;
}

void AddErrorInfo(const ErrorDetail& detail, google::rpc::Status* rpc) {
  google::rpc::ErrorInfo info;
  info.set_reason(detail.reason);
  info.set_domain(kErrorDomain);
  size_t entries = 0;
  for (const auto& [key, value] : detail.metadata) {
    if (++entries > kMetadataEntriesMax) break;
    (*info.mutable_metadata())[key] = EscapeForPeople(value, kMetadataValueBytesMax);
  }
  rpc->add_details()->PackFrom(info);
}

void AddBadRequest(const ErrorDetail& detail, google::rpc::Status* rpc) {
  auto field = detail.metadata.find("field");
  if (field == detail.metadata.end()) return;
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field(EscapeForPeople(field->second, kMetadataValueBytesMax));
  violation->set_description(rpc->message());
  rpc->add_details()->PackFrom(bad);
}

// SANDBOX_NOT_FOUND -> resource_type "glovebox.dev/sandbox".
void AddResourceInfo(const ErrorDetail& detail, google::rpc::Status* rpc) {
  absl::string_view kind = detail.reason;
  if (!absl::ConsumeSuffix(&kind, "_NOT_FOUND")) return;
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(absl::StrCat(kErrorDomain, "/", absl::AsciiStrToLower(kind)));
  resource.set_description(rpc->message());
  for (const char* key : {"name", "path", "commit", "digest", "exec_id", "sandbox_id"}) {
    auto it = detail.metadata.find(key);
    if (it == detail.metadata.end()) continue;
    resource.set_resource_name(EscapeForPeople(it->second, kMetadataValueBytesMax));
    break;
  }
  rpc->add_details()->PackFrom(resource);
}

void AddRetryInfo(const ErrorDetail& detail, google::rpc::Status* rpc) {
  int64_t millis = kRetryMillis;
  if (const auto after = detail.metadata.find("retry_after_ms"); after != detail.metadata.end()) {
    (void)absl::SimpleAtoi(after->second, &millis);  // our own number
  }
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(millis / 1000);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(millis % 1000 * 1'000'000));
  rpc->add_details()->PackFrom(retry);
}

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status rpc;
  if (status.ok()) return rpc;
  const ErrorDetail detail = DetailOf(status);
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(EscapeForPeople(status.message(), kErrorMessageBytesMax));
  AddErrorInfo(detail, &rpc);
  if (absl::IsInvalidArgument(status) || absl::IsOutOfRange(status)) AddBadRequest(detail, &rpc);
  if (absl::IsNotFound(status)) AddResourceInfo(detail, &rpc);
  if (absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) AddRetryInfo(detail, &rpc);
  return rpc;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status rpc = ToRpcStatus(status);
  return {static_cast<grpc::StatusCode>(rpc.code()), rpc.message(), rpc.SerializeAsString()};
}

std::string ErrorReason(const absl::Status& status) {
  return status.ok() ? "" : DetailOf(status).reason;
}

}  // namespace glovebox

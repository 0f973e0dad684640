#include "service/forward_port_call.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/find_sandbox.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

// A payload whose backlog is full answers nothing: the kernel would try again for two minutes.
constexpr auto kConnectsWithin = std::chrono::seconds(10);
constexpr uint32_t kPortMax = 65535;

}  // namespace

absl::Status CheckPort(uint32_t port, absl::string_view field) {
  if (port >= 1 && port <= kPortMax) return absl::OkStatus();
  return FieldError(field, absl::StrCat("is 1 to ", kPortMax));
}

ForwardPortCall::ForwardPortCall(const ServiceDeps& deps,
                                 const grpc::CallbackServerContext& context)
    : deps_(deps),
      report_(deps, context, {"NetworkService/ForwardPort"}, CallKind::kStream),
      forward_(std::make_shared<Forward>(static_cast<ForwardClient*>(this), deps.forward_events)) {}

ForwardPortCall* ForwardPortCall::Run(const ServiceDeps& deps,
                                      const grpc::CallbackServerContext& context) {
  auto* call = new ForwardPortCall(deps, context);
  if (const absl::Status& admitted = call->report_.admitted(); !admitted.ok()) {
    call->End(admitted);
  } else {
    call->Read();
  }
  return call;
}

void ForwardPortCall::OnReadDone(bool ok) {
  const std::shared_ptr<Forward> forward = forward_;
  if (!begun_) {
    begun_ = true;
    if (!ok) request_.Clear();
    if (!deps_.calls->TryRun([this] { Begin(); })) End(TooManyCalls());
    return;
  }
  if (!ok) return forward->OnDataEnd();
  if (request_.has_target()) {
    forward->OnCancel(FieldError("target", "is of the first message alone"));
  } else if (request_.data().size() > kForwardPieceBytesMax) {
    forward->OnCancel(FieldError(
        "data", absl::StrCat("has at most ", kForwardPieceBytesMax, " bytes a message")));
  } else {
    forward->OnData(std::move(*request_.mutable_data()));
  }
}

absl::StatusOr<std::shared_ptr<Sandbox>> ForwardPortCall::FindTarget() {
  if (!request_.has_target()) {
    return FieldError("target", "is missing: the first message says where to");
  }
  const v1::ForwardPortTarget& target = request_.target();
  report_.SetSandbox(target.sandbox_id());
  RETURN_IF_ERROR(CheckPort(target.port(), "target.port"));
  return FindSandbox(deps_, report_.caller(), target.sandbox_id());
}

void ForwardPortCall::Begin() {
  const std::shared_ptr<Forward> forward = forward_;
  absl::StatusOr<std::shared_ptr<Sandbox>> sandbox = FindTarget();
  if (!sandbox.ok()) return End(sandbox.status());
  SetDeadline();
  forward->Start(*std::move(sandbox), static_cast<uint16_t>(request_.target().port()));
}

void ForwardPortCall::SetDeadline() {
  alarm_.Set(std::chrono::system_clock::now() + kConnectsWithin,
             [weak = std::weak_ptr<Forward>(forward_)](bool due) {
               auto forward = weak.lock();
               if (due && forward != nullptr) forward->OnDeadline();
             });
}

void ForwardPortCall::OnCancel() {
  const std::shared_ptr<Forward> forward = forward_;
  forward->OnCancel(CallCancelled());
}

void ForwardPortCall::Write(std::string data, bool end) {
  response_.set_data(std::move(data));
  response_.set_end(end);
  StartWrite(&response_);
}

void ForwardPortCall::OnWriteDone(bool ok) {
  const std::shared_ptr<Forward> forward = forward_;
  // Nobody ends the call before the write is told of.
  if (ok && !std::exchange(decided_, true)) {
    alarm_.Cancel();
    report_.Decided(absl::OkStatus());
  }
  forward->OnWritten(ok);
}

void ForwardPortCall::Finish(const absl::Status& status) {
  // With no thread left the caller's own takes the time.
  if (!deps_.calls->TryRun([this, status] { End(status); })) End(status);
}

void ForwardPortCall::End(const absl::Status& status) {
  // This may be gone from here on.
  grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>::Finish(
      report_.End(status));
}

}  // namespace glovebox

// gRPC's half of CallControl: for the few files that speak gRPC themselves.
#ifndef GLOVEBOX_TOOLS_CONTROLLED_CALL_H_
#define GLOVEBOX_TOOLS_CONTROLLED_CALL_H_

#include <grpcpp/client_context.h>

#include "absl/time/clock.h"
#include "tools/glovebox/calls.h"

namespace glovebox {

// Lets the control see its call for as long as that lasts.
class ControlledCall {
 public:
  explicit ControlledCall(CallControl* control) : control_(control) {
    if (control_ == nullptr) return;
    if (control_->limit_ < absl::InfiniteDuration()) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + control_->limit_));
    }
    const std::lock_guard<std::mutex> lock(control_->mutex_);
    control_->context_ = &context_;
    if (control_->cancelled_) context_.TryCancel();
  }
  ~ControlledCall() {
    if (control_ == nullptr) return;
    const std::lock_guard<std::mutex> lock(control_->mutex_);
    control_->context_ = nullptr;
  }
  ControlledCall(const ControlledCall&) = delete;
  ControlledCall& operator=(const ControlledCall&) = delete;

  grpc::ClientContext* context() { return &context_; }

 private:
  CallControl* const control_;
  grpc::ClientContext context_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CONTROLLED_CALL_H_

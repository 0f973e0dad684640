#include "service/status_interceptor.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "service/status.h"

namespace glovebox {
namespace {

using grpc::experimental::InterceptionHookPoints;

class StatusInterceptor final : public grpc::experimental::Interceptor {
 public:
  StatusInterceptor(const char* method, RpcObserver* observer)
      : method_(absl::StripPrefix(EscapeForPeople(method == nullptr ? "" : method, 120), "/")),
        observer_(observer) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      unreadable_ = methods->GetRecvMessage() == nullptr;
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      if (!status.ok() && status.error_details().empty()) {
        const absl::Status filled = FillIn(status);
        methods->ModifySendStatus(ToGrpcStatus(filled));
        const RpcEnd end{method_, "", "", filled, ErrorReason(filled)};
        observer_->OnDecided(end);
        observer_->OnRpcEnd(end);
      }
    }
    methods->Proceed();
  }

 private:
  absl::Status FillIn(const grpc::Status& status) const {
    // gRPC's answer for a request that it cannot parse, or that ended before it was whole, is
    // UNIMPLEMENTED too.
    if (unreadable_ && status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      return absl::InvalidArgumentError(
          absl::StrCat("the request of ", method_, " is cut off, or is not that method's message"));
    }
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      return DetailedError(absl::StatusCode::kUnimplemented,
                           absl::StrCat(method_, " is not served by this release"),
                           {"METHOD_NOT_SERVED", {{"method", method_}}});
    }
    return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
  }

  const std::string method_;
  RpcObserver* const observer_;
  bool unreadable_ = false;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(RpcObserver* observer) : observer_(observer) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    return new StatusInterceptor(info->method(), observer_);
  }

 private:
  RpcObserver* const observer_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeStatusInterceptorFactory(
    RpcObserver* observer) {
  return std::make_unique<Factory>(observer);
}

}  // namespace glovebox

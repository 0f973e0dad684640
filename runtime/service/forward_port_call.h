// NetworkService.ForwardPort: the gRPC side of one forwarded connection (ports/forward.h).
#ifndef GLOVEBOX_SERVICE_FORWARD_PORT_CALL_H_
#define GLOVEBOX_SERVICE_FORWARD_PORT_CALL_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "glovebox/v1/network.pb.h"
#include "grpcpp/alarm.h"
#include "grpcpp/support/server_callback.h"
#include "ports/forward.h"
#include "service/call_report.h"
#include "service/service_deps.h"

namespace glovebox {

// INVALID_ARGUMENT for what is no TCP port.
absl::Status CheckPort(uint32_t port, absl::string_view field);

// Deletes itself in OnDone.
class ForwardPortCall final
    : public grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>,
      private ForwardClient {
 public:
  static ForwardPortCall* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context);

 private:
  ForwardPortCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

  void Write(std::string data, bool end) override;
  void Read() override { StartRead(&request_); }
  void Finish(const absl::Status& status) override;

  // Tells the observer, which may write to a disk: not on the thread of all forwards.
  void End(const absl::Status& status);

  // The first message, on the queue for calls.
  void Begin();
  absl::StatusOr<std::shared_ptr<Sandbox>> FindTarget();
  void SetDeadline();

  const ServiceDeps& deps_;
  CallReport report_;
  v1::ForwardPortRequest request_;
  v1::ForwardPortResponse response_;  // gRPC may look at it until the write is done
  bool begun_ = false;                // the first message has come
  bool decided_ = false;              // the connection is made, and the client knows
  // Its callback is called with false when it goes before.
  grpc::Alarm alarm_;
  // Callbacks hold it for as long as they run: the call may be gone before they return.
  const std::shared_ptr<Forward> forward_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_FORWARD_PORT_CALL_H_

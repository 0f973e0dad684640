// NetworkService.WatchConnections: one message is written at a time, and the next is looked for
// when it was taken. A client that does not read costs one message, and no thread waits for news.
#ifndef GLOVEBOX_SERVICE_WATCH_CONNECTIONS_CALL_H_
#define GLOVEBOX_SERVICE_WATCH_CONNECTIONS_CALL_H_

#include <memory>

#include "glovebox/v1/network.pb.h"
#include "grpcpp/support/server_callback.h"
#include "service/call_report.h"
#include "service/service_deps.h"

namespace glovebox {

// FAILED_PRECONDITION, EGRESS_NOT_SET_UP.
absl::Status EgressNotSetUp();

// Deletes itself in OnDone.
class WatchConnectionsCall final : public grpc::ServerWriteReactor<v1::WatchConnectionsResponse> {
 public:
  // The request is there until the call has begun, which is on the queue for calls.
  static WatchConnectionsCall* Run(const ServiceDeps& deps,
                                   const grpc::CallbackServerContext& context,
                                   const v1::WatchConnectionsRequest& request);

 private:
  class Core;

  WatchConnectionsCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                       const v1::WatchConnectionsRequest& request);
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

  CallReport report_;
  v1::WatchConnectionsResponse response_;  // gRPC may look at it until the write is done
  const std::shared_ptr<Core> core_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_WATCH_CONNECTIONS_CALL_H_

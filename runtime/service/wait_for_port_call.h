// NetworkService.WaitForPort: asks from time to time, and holds no thread meanwhile.
#ifndef GLOVEBOX_SERVICE_WAIT_FOR_PORT_CALL_H_
#define GLOVEBOX_SERVICE_WAIT_FOR_PORT_CALL_H_

#include <memory>

#include "glovebox/v1/network.pb.h"
#include "grpcpp/support/server_callback.h"
#include "ports/port_questions.h"
#include "service/call_report.h"
#include "service/service_deps.h"

namespace glovebox {

v1::ListeningPort ToProto(const PortListener& listener);

// Deletes itself in OnDone.
class WaitForPortCall final : public grpc::ServerUnaryReactor {
 public:
  // Both messages are there until the call has ended.
  static WaitForPortCall* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                              const v1::WaitForPortRequest& request,
                              v1::WaitForPortResponse* response);

 private:
  class Core;

  WaitForPortCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                  const v1::WaitForPortRequest& request, v1::WaitForPortResponse* response);
  void OnCancel() override;
  void OnDone() override { delete this; }

  CallReport report_;
  const std::shared_ptr<Core> core_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_WAIT_FOR_PORT_CALL_H_

#include "service/network_service.h"

#include "service/forward_port_call.h"

namespace glovebox {

grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>*
NetworkService::ForwardPort(grpc::CallbackServerContext* context) {
  return ForwardPortCall::Run(deps_, *context);
}

}  // namespace glovebox

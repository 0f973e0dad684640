// Gives an ErrorInfo to errors that do not come from our services: RPCs that this release does not
// serve, unknown ones, requests that cannot be parsed.
#ifndef GLOVEBOX_SERVICE_STATUS_INTERCEPTOR_H_
#define GLOVEBOX_SERVICE_STATUS_INTERCEPTOR_H_

#include <memory>

#include "grpcpp/support/server_interceptor.h"
#include "service/rpc_observer.h"

namespace glovebox {

// For ServerBuilder::experimental().SetInterceptorCreators. `observer` outlives the server and is
// told of the calls whose status was filled in here.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeStatusInterceptorFactory(
    RpcObserver* observer);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_STATUS_INTERCEPTOR_H_

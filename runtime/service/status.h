// From the libraries' errors to what a gRPC client gets.
#ifndef GLOVEBOX_SERVICE_STATUS_H_
#define GLOVEBOX_SERVICE_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace glovebox {

inline constexpr char kErrorDomain[] = "glovebox.dev";
// Of a message in bytes; trailers as a whole are limited to 8 KiB by most gRPC peers.
inline constexpr size_t kErrorMessageBytesMax = 1024;

// `status` as google.rpc.Status: the message escaped (one line) and cut, an ErrorInfo always
// (reason by the code when the error has none), BadRequest when INVALID_ARGUMENT names a field,
// ResourceInfo for a thing that is not there, RetryInfo for RESOURCE_EXHAUSTED and UNAVAILABLE.
google::rpc::Status ToRpcStatus(const absl::Status& status);

// The same as gRPC sends it; OK stays OK.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The reason that ToRpcStatus gives; "" for OK.
std::string ErrorReason(const absl::Status& status);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_STATUS_H_

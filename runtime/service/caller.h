// Who makes a call.
#ifndef GLOVEBOX_SERVICE_CALLER_H_
#define GLOVEBOX_SERVICE_CALLER_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "sandbox/owner.h"

namespace glovebox {

// As the kernel (unix socket) or the certificate (TCP) says; nothing of it comes from the request.
struct Caller {
  std::string principal;  // "uid:1000", "cert:ci.example"
  bool admin = false;     // sees and changes everything, and has no quota
  pid_t pid = 0;          // of the process that connected; 0 over TCP
  std::string address;    // over TCP, for the audit log; "" on the unix socket

  // For WorkQueue: the share of this client's work for this sandbox. Not of the sandbox alone, or
  // whoever asks for one that is not its own would take its owner's share, and learn of it.
  std::string ShareFor(const std::string& sandbox_id) const {
    return sandbox_id.empty() ? "" : principal + "\n" + sandbox_id;
  }
  Viewer View() const { return admin ? Viewer(EveryOwner{}) : Viewer(principal); }
};

// Thread-safe.
class CallerSource {
 public:
  virtual ~CallerSource() = default;
  // UNAUTHENTICATED, CALLER_UNKNOWN, when it cannot be told; PERMISSION_DENIED, CALLER_NOT_ALLOWED,
  // when the configuration does not name it.
  virtual absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context) const = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CALLER_H_

// Who is at the other end of each connection of the unix socket. gRPC tells a service nothing of a
// unix peer but the text of its endpoint; connections that are handed over as descriptors have the
// text "fd:N", N being the descriptor's number in this process.
#ifndef GLOVEBOX_DAEMON_PEER_REGISTRY_H_
#define GLOVEBOX_DAEMON_PEER_REGISTRY_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/unix_listener.h"
#include "service/caller.h"

namespace glovebox {

// Who may call, and as what. Principals as in service/caller.h.
struct RolePolicy {
  uid_t own_uid = 0;  // administrator, as root is
  std::set<std::string> admins;
  std::optional<std::set<std::string>> owners;  // absent: everybody who can connect
};

// The name in a certificate, as a principal: "cert:" and 1 to 253 printable ASCII characters
// without space, quote or backslash. UNAUTHENTICATED, CALLER_UNKNOWN. Pure.
absl::StatusOr<std::string> PrincipalOfCertificate(const std::vector<std::string>& names);

// Thread-safe.
class PeerRegistry final : public CallerSource {
 public:
  explicit PeerRegistry(RolePolicy policy) : policy_(std::move(policy)) {}

  // Before gRPC gets `fd`. RESOURCE_EXHAUSTED, CLIENT_QUOTA, when the peer has `connections_max`
  // already and is no administrator.
  absl::Status Add(int fd, const Peer& peer, uint64_t connections_max) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context) const override
      ABSL_LOCKS_EXCLUDED(mutex_);

  // `principal` with the rights that the configuration gives it. PERMISSION_DENIED,
  // CALLER_NOT_ALLOWED.
  absl::StatusOr<Caller> WithRole(std::string principal) const;

 private:
  // A number is used again once its socket was closed; the cookie (SO_COOKIE) never is. gRPC closes
  // a socket when its last call is over, so the number of a call's connection is that connection's
  // as long as anybody can ask for it.
  struct Entry {
    uint64_t cookie = 0;
    Peer peer;
  };

  const RolePolicy policy_;
  mutable absl::Mutex mutex_;
  std::map<int, Entry> peers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_PEER_REGISTRY_H_

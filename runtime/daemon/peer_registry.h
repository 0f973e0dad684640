// Who is at the other end of each connection, and how many each has. gRPC tells a service nothing
// of a unix peer but the text of its endpoint; connections that are handed over as descriptors have
// the text "fd:N", N being the descriptor's number in this process.
#ifndef GLOVEBOX_DAEMON_PEER_REGISTRY_H_
#define GLOVEBOX_DAEMON_PEER_REGISTRY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/unix_listener.h"
#include "linux/tcp_endpoint.h"
#include "service/caller.h"

namespace glovebox {

// Who may call, and as what. Principals as in service/caller.h.
struct RolePolicy {
  uid_t own_uid = 0;  // administrator, as root is
  std::set<std::string> admins;
  std::optional<std::set<std::string>> owners;  // absent: everybody who can connect
};

// The name in a certificate, as a principal: "cert:" and 1 to 253 printable ASCII characters
// without space, quote or backslash. UNAUTHENTICATED, CALLER_UNKNOWN. Takes any bytes. Pure.
absl::StatusOr<std::string> PrincipalOfCertificate(absl::string_view name);

// Of connections that are open at once. Those of administrators on the unix socket are not counted,
// so that whoever is responsible always gets through.
struct ConnectionLimits {
  uint64_t of_client =
      UINT64_MAX;  // of one principal; over TCP before its first call: of a network
  uint64_t all = UINT64_MAX;
  uint64_t strangers = UINT64_MAX;  // over TCP, before the first call of each
};

// Thread-safe. Each refusal for a number is RESOURCE_EXHAUSTED, CLIENT_QUOTA, and names the quota.
class PeerRegistry final : public CallerSource {
 public:
  explicit PeerRegistry(RolePolicy policy, const ConnectionLimits& limits = {})
      : policy_(std::move(policy)), limits_(limits) {}

  // Both before gRPC gets `fd`.
  absl::Status Add(int fd, const Peer& peer) ABSL_LOCKS_EXCLUDED(mutex_);
  // `fd` is the stream of glovebox-front, which vouches for the client's address and for the name
  // in its certificate. The name may be no principal: then its calls are refused.
  absl::Status AddTcp(int fd, const TcpEndpoint& endpoint, std::string certificate_name)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Over TCP the first call of a connection makes it its principal's; beyond the limit it is
  // refused as above.
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
    std::string principal;  // "": over TCP, nobody's yet
    bool counted = true;
    pid_t pid = 0;
    std::optional<TcpEndpoint> endpoint;  // over TCP
    std::string certificate_name;         // the same
  };

  // Whether as many that `matches` are open.
  template <typename Predicate>
  bool IsFull(uint64_t limit, Predicate matches) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckAll() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckClient(const std::string& principal) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Claim(int fd, uint64_t cookie, const Caller& caller) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  const RolePolicy policy_;
  const ConnectionLimits limits_;
  mutable absl::Mutex mutex_;
  // Closed ones are forgotten when their number is used again, or when they make a limit look full.
  mutable std::map<int, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_PEER_REGISTRY_H_

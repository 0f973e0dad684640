// A sandbox's way out: the sockets in it that the gateway serves.
#ifndef GLOVEBOX_SANDBOX_SANDBOX_WAY_OUT_H_
#define GLOVEBOX_SANDBOX_SANDBOX_WAY_OUT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "policy/egress_policy.h"
#include "sandbox/egress_gateway.h"
#include "sandbox/sandbox_sockets.h"

namespace glovebox {

// What in a sandbox's network is not its own, when it has a way out: on 127.0.0.1, except names.
inline constexpr uint16_t kNamesPort = 53;  // at every address, TCP and UDP
inline constexpr uint16_t kHttpProxyPort = 3128;
inline constexpr uint16_t kSocksPort = 1080;

// The host's roots and the authority of opened TLS, as files of the host: in PEM, and as Java reads
// them.
struct EgressRoots {
  std::string pem;
  std::string java;
};
// Where they are in every sandbox with a way out.
inline constexpr char kEgressRootsFile[] = "/etc/ssl/certs/glovebox.pem";
inline constexpr char kEgressJavaRootsFile[] = "/etc/ssl/certs/glovebox.jks";
// Where the system's are, and those take their place when the system is the host's.
inline constexpr char kSystemRootsFile[] = "/etc/ssl/certs/ca-certificates.crt";
inline constexpr char kSystemJavaRootsFile[] = "/etc/ssl/certs/java/cacerts";

// By which programs find roots that are not their own, each with kEgressRootsFile: for commands
// that begin while the policy has a rule for which TLS is opened.
std::vector<std::string> EgressRootsVariables();

// Thread-safe. Calls wait for the sandbox's init and for the gateway; not on a thread that serves
// either.
class SandboxWayOut {
 public:
  // For a sandbox of `owner` in which nothing ran yet. Any socket that cannot be had is an error.
  // With `ports` connections to every port come to the proxy; null: those to the ports that the
  // policy names. `bytes`: see EgressGateway::Add.
  static absl::StatusOr<std::shared_ptr<SandboxWayOut>> Open(
      EgressGateway* gateway, PortGiver* ports, std::shared_ptr<SandboxSockets> sockets,
      const EgressPolicy& policy, const std::string& owner, UniqueFd bytes,
      EgressGateway::TakeRecord take);
  // For one whose commands run: one of them may have taken a port since the daemon before ended. It
  // has what was left then, and `*problem` says what was not.
  static absl::StatusOr<std::shared_ptr<SandboxWayOut>> OpenAgain(
      EgressGateway* gateway, PortGiver* ports, std::shared_ptr<SandboxSockets> sockets,
      const EgressPolicy& policy, const std::string& owner, UniqueFd bytes,
      EgressGateway::TakeRecord take, std::string* problem);
  ~SandboxWayOut();  // connections end
  SandboxWayOut(const SandboxWayOut&) = delete;
  SandboxWayOut& operator=(const SandboxWayOut&) = delete;

  // Whether the policy in force has a rule for which TLS is opened.
  bool opens_tls() const { return opens_tls_.load(); }

  // See EgressGateway.
  void NoteCommands(EgressCommandWord word) { gateway_->NoteCommands(number_.load(), word); }
  void Settle() { gateway_->Settle(number_.load()); }

  // How many connections were cut. FAILED_PRECONDITION with reason PORT_IN_USE: a command listens
  // at a port that the policy names, where not every port is the proxy's; else errors of the
  // gateway. Then the policy before holds.
  absl::StatusOr<uint32_t> Replace(const EgressPolicy& policy) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Place = std::pair<EgressRole, uint16_t>;

  SandboxWayOut(EgressGateway* gateway, PortGiver* ports, std::shared_ptr<SandboxSockets> sockets)
      : gateway_(gateway), ports_(ports), sockets_(std::move(sockets)) {}
  // The sockets for `policy` that there are none of yet.
  struct Made {
    std::set<Place> places;
    std::vector<EgressListener> listeners;
    bool opens_tls = false;
    void Forget(const Place& place);  // the only one of its role
  };
  absl::StatusOr<Made> OpenMissing(const EgressPolicy& policy, std::string* problem)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds to `*made`. What cannot be had is an error without `problem`, and else said there.
  absl::Status OpenPlaces(const std::set<Place>& places, std::string* problem, Made* made) const;
  absl::Status TakeEveryPort(const Made& made) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EgressGateway* const gateway_;
  PortGiver* const ports_;  // or null
  const std::shared_ptr<SandboxSockets> sockets_;
  std::atomic<bool> opens_tls_ = false;
  std::atomic<uint64_t> number_ = 0;              // the gateway's, set once; 0: none
  absl::Mutex mutex_;                             // one change at a time
  UniqueFd every_port_ ABSL_GUARDED_BY(mutex_);   // invalid: ports have a socket each
  std::set<Place> open_ ABSL_GUARDED_BY(mutex_);  // that the gateway has
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SANDBOX_WAY_OUT_H_

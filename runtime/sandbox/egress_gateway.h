// Where connections of sandboxes are let out, as a sandbox sees it.
#ifndef GLOVEBOX_SANDBOX_EGRESS_GATEWAY_H_
#define GLOVEBOX_SANDBOX_EGRESS_GATEWAY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "egress/egress_wire.h"
#include "policy/egress_policy.h"
#include "policy/egress_record.h"

namespace glovebox {

// A socket in a sandbox's network namespace. As long as it is open, the namespace is there.
struct EgressListener {
  EgressRole role = EgressRole::kTransparent;
  UniqueFd socket;
};

// Thread-safe. Calls wait for what serves the sockets, seconds when that has just died.
class EgressGateway {
 public:
  // On the gateway's thread: must neither wait nor call it.
  using TakeRecord = std::function<void(const EgressRecord&)>;

  virtual ~EgressGateway() = default;

  // From its return on the sandbox's connections are judged by `policy`, with the secrets that
  // `owner` has of those that it names. `bytes`: the file of an EgressBytes, which goes on from
  // what it has; invalid: it is counted from zero, for as long as the sandbox is here. Returns the
  // number that stands for the sandbox, never used twice. What EgressRules::Compile returns;
  // INVALID_ARGUMENT for a socket that is not what its role says, or too many; RESOURCE_EXHAUSTED
  // beyond what there is room for; INTERNAL.
  virtual absl::StatusOr<uint64_t> Add(const EgressPolicy& policy, const std::string& owner,
                                       std::vector<EgressListener> listeners, UniqueFd bytes,
                                       TakeRecord take) = 0;

  // More sockets of it. NOT_FOUND; else as Add.
  virtual absl::Status Listen(uint64_t sandbox, std::vector<EgressListener> listeners) = 0;

  // From its return on; how many connections it cut that `policy` does not allow. After an error
  // the one before holds. What EgressRules::Compile returns; NOT_FOUND; INTERNAL.
  virtual absl::StatusOr<uint32_t> Replace(uint64_t sandbox, const EgressPolicy& policy) = 0;

  // Which commands run in the sandbox, from now on: before one begins, and after the end of one was
  // settled. Does not wait. Until it is said, several do.
  virtual void NoteCommands(uint64_t sandbox, EgressCommandWord word) = 0;

  // Returns when the records of all that was refused or opened before have been taken, and when
  // what waits in the sandbox's sockets was looked at. Nothing when there is no such sandbox.
  virtual void Settle(uint64_t sandbox) = 0;

  // Ends the sandbox's connections and closes its sockets. After it no record of the sandbox is
  // taken. Nothing when there is no such sandbox.
  virtual void Remove(uint64_t sandbox) = 0;
};

// Thread-safe.
class PortGiver {
 public:
  virtual ~PortGiver() = default;

  // Two sockets of one sandbox that listen: from the return on `names` gets what is connected to
  // port 53, and `others` what is to any other port, but to the sandbox's own addresses. Holds as
  // long as the descriptor that is returned is open. UNAVAILABLE with reason LOOKUP_GONE: what
  // gives them has died; try again. INTERNAL.
  virtual absl::StatusOr<UniqueFd> GiveEveryPort(int names, int others) = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_EGRESS_GATEWAY_H_

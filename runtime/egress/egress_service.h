// All sandboxes of the proxy: takes the daemon's orders, accepts connections.
#ifndef GLOVEBOX_EGRESS_EGRESS_SERVICE_H_
#define GLOVEBOX_EGRESS_EGRESS_SERVICE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "egress/egress_link.h"
#include "egress/sandbox_egress.h"

namespace glovebox {

// One thread.
class EgressService {
 public:
  // `shared` outlives it.
  explicit EgressService(EgressShared* shared) : shared_(shared) {}

  // Does it and answers.
  void Take(EgressLink::Order order);

 private:
  struct Done {
    absl::Status status;
    uint32_t connections_cut = 0;
  };
  Done Add(EgressLink::Order* order);
  Done AddSockets(EgressLink::Order* order);
  Done Replace(EgressLink::Order* order);
  Done Remove(uint64_t number);
  absl::Status Serve(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role, UniqueFd fd);
  void Settle(const EgressMessage& answer);
  bool TakeTurn(const std::shared_ptr<SandboxEgress>& sandbox, const SandboxEgress::Socket& from);
  awaitable<void> TakeWaiting(std::shared_ptr<SandboxEgress> sandbox, EgressMessage answer);
  awaitable<void> AcceptAll(std::shared_ptr<SandboxEgress> sandbox, EgressRole role,
                            std::shared_ptr<asio::posix::stream_descriptor> socket);
  // Both: 0, or what accept(2) said, which did not take another.
  int AcceptTurn(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role, int fd);
  int AcceptOne(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role, int fd);

  EgressShared* const shared_;
  std::map<uint64_t, std::shared_ptr<SandboxEgress>> sandboxes_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_EGRESS_SERVICE_H_

// The front's end of the control socket.
#ifndef GLOVEBOX_FRONT_DAEMON_LINK_H_
#define GLOVEBOX_FRONT_DAEMON_LINK_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "front/front_wire.h"
#include "linux/tcp_endpoint.h"

namespace glovebox {

// One thread. Nothing blocks after Receive.
class DaemonLink {
 public:
  explicit DaemonLink(UniqueFd socket) : socket_(std::move(socket)) {}
  int fd() const { return socket_.get(); }

  struct Received {
    FrontSetup setup;
    std::vector<UniqueFd> fds;  // as many as kFrontSetupFds, in the order that it names
  };
  absl::StatusOr<Received> Receive();

  enum class Order { kNone, kStopAccepting, kEnd };
  Order TakeOrder();

  void Ready();
  void Failed(absl::string_view why);
  // Whether it was told; it is not while the daemon has not read what was sent before.
  bool Refused(const TcpEndpoint& peer, FrontRefusal refusal, absl::string_view why);
  // UNAVAILABLE with reason WOULD_BLOCK: later.
  absl::Status HandOver(const TcpEndpoint& peer, absl::string_view name, int daemon_end_fd);

 private:
  absl::Status Send(const FrontMessage& message, const std::vector<int>& fds);
  UniqueFd socket_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_DAEMON_LINK_H_

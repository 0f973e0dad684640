// One connection of ours carried to a port of a sandbox.
#ifndef GLOVEBOX_TOOLS_PORT_TUNNEL_H_
#define GLOVEBOX_TOOLS_PORT_TUNNEL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "tools/glovebox/port_stream.h"

namespace glovebox {

class PortTunnel {
 public:
  static absl::StatusOr<std::unique_ptr<PortTunnel>> Make(Connection& connection,
                                                          const std::string& sandbox_id,
                                                          uint16_t port);

  // What is read from `in_fd` goes to the payload, what the payload sends to `out_fd`; `ended` is
  // to end that for whoever reads there, when nothing more comes. Returns when the connection has
  // ended. CANCELLED after Cancel, or when our side broke it off.
  absl::Status Carry(int in_fd, int out_fd, const std::function<void()>& ended);
  void Cancel();  // any thread, any time

 private:
  PortTunnel(Connection& connection, const std::string& sandbox_id, uint16_t port, UniqueFd stop)
      : stream_(connection, sandbox_id, port), stop_(std::move(stop)) {}
  void SendAll(int in_fd);

  PortStream stream_;
  const UniqueFd stop_;  // eventfd: ends the reading of our side
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_PORT_TUNNEL_H_

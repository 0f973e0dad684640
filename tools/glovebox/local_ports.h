// Ports of this host whose connections are carried into a sandbox.
#ifndef GLOVEBOX_TOOLS_LOCAL_PORTS_H_
#define GLOVEBOX_TOOLS_LOCAL_PORTS_H_

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "tools/glovebox/port_argument.h"
#include "tools/glovebox/port_tunnel.h"

namespace glovebox {

// Used by one thread; Stop from any.
class LocalPorts {
 public:
  // `failed` is told why a connection failed, on any thread; true: the others would, too.
  using Failed = std::function<bool(uint16_t port, const absl::Status& why)>;

  static absl::StatusOr<std::unique_ptr<LocalPorts>> Make(Connection& connection,
                                                          std::string sandbox_id, Failed failed);
  ~LocalPorts();  // breaks off what is open
  LocalPorts(const LocalPorts&) = delete;
  LocalPorts& operator=(const LocalPorts&) = delete;

  // Listens on 127.0.0.1; the port that it is, where any was asked for.
  absl::StatusOr<uint16_t> Listen(const PortPair& pair);
  // Takes connections until Stop, or until `failed` said true.
  absl::Status Serve();
  void Stop();

 private:
  struct Listener {
    UniqueFd socket;
    uint16_t port;  // in the sandbox
  };
  // A thread each, as gRPC's streams block.
  struct Carried {
    std::thread thread;
    std::unique_ptr<PortTunnel> tunnel;
    bool done = false;  // guarded by mutex_
  };

  LocalPorts(Connection& connection, std::string sandbox_id, Failed failed, UniqueFd stop);
  void Accept(const Listener& listener);
  void Carry(Carried* carried, UniqueFd socket, uint16_t port);
  void Reap(bool all);

  Connection& connection_;
  const std::string sandbox_id_;
  const Failed failed_;
  const UniqueFd stop_;  // eventfd
  std::vector<Listener> listeners_;
  std::mutex mutex_;
  std::list<Carried> carried_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_LOCAL_PORTS_H_

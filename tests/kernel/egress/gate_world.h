// A host, an internet with an origin, and sandboxes, as network namespaces: what gate_test.cc runs
// the real glovebox-egress in. world.py has the same for what clients say.
#ifndef GLOVEBOX_TESTS_KERNEL_EGRESS_GATE_WORLD_H_
#define GLOVEBOX_TESTS_KERNEL_EGRESS_GATE_WORLD_H_

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "daemon/egress_gate.h"

namespace glovebox {

inline constexpr const char* kOrigin = "93.184.216.34";

// A network namespace, held by a descriptor.
class NetworkSpace {
 public:
  NetworkSpace();  // a new one
  // On a thread that is in it; what it makes stays there.
  void Inside(const std::function<void()>& function) const;
  void Ip(const std::string& words) const;  // "link set lo up"
  void MakeAllAddressesLocal() const;       // as a sandbox has it
  UniqueFd Listen(uint16_t port) const;     // TCP, on every address
  UniqueFd BindUdp(uint16_t port) const;    // likewise
  // A connected socket; invalid when the connection is refused.
  UniqueFd Connect(const std::string& address, uint16_t port) const;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

// The process that makes it is in the host's namespace from then on: once for a process.
class GateWorld {
 public:
  GateWorld();
  ~GateWorld();
  GateWorld(const GateWorld&) = delete;
  GateWorld& operator=(const GateWorld&) = delete;

 private:
  void Echo();

  NetworkSpace internet_;
  UniqueFd origin_;  // port 22 of every address: says again what it is told
  UniqueFd end_;     // eventfd
  std::thread echo_;
};

// Whether what it is told comes back; false when the connection is reset or ends.
bool Echoes(const UniqueFd& client, const std::string& words);

// A sandbox's sockets, kept by the caller.
struct GateSandbox {
  NetworkSpace space;
  UniqueFd listener;  // port 22
  GateSandbox();
  std::vector<EgressListener> Listeners() const;  // of their own descriptors
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_EGRESS_GATE_WORLD_H_

// How many connections are open, and how many of them are strangers': not through the handshake.
#ifndef GLOVEBOX_FRONT_DOOR_COUNTS_H_
#define GLOVEBOX_FRONT_DOOR_COUNTS_H_

#include <cstdint>
#include <map>
#include <string>

#include "front/front_wire.h"
#include "linux/tcp_endpoint.h"

namespace glovebox {

struct DoorLimits {
  uint32_t connections_max = 0;
  uint32_t strangers_max = 0;
  uint32_t network_strangers_max = 0;  // TcpEndpoint::Network
};

// One thread.
class DoorCounts {
 public:
  explicit DoorCounts(const DoorLimits& limits) : limits_(limits) {}

  // A stranger comes; kNone: it is counted from now on, else nothing has changed.
  FrontRefusal Enter(const TcpEndpoint& peer);
  void NoLongerStranger(const TcpEndpoint& peer);
  void Leave() { --connections_; }

  // Why `refusal`, as the log says it.
  std::string Words(FrontRefusal refusal, const TcpEndpoint& peer) const;

 private:
  const DoorLimits limits_;
  uint32_t connections_ = 0;
  uint32_t strangers_ = 0;
  std::map<std::string, uint32_t> strangers_of_network_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_DOOR_COUNTS_H_

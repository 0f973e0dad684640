// A TCP port to listen on, and who is at the other end of its connections.
#ifndef GLOVEBOX_LINUX_TCP_ENDPOINT_H_
#define GLOVEBOX_LINUX_TCP_ENDPOINT_H_

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// A value, of any bytes. IPv4 as IPv6 shows it (::ffff:a.b.c.d).
struct TcpEndpoint {
  std::array<uint8_t, 16> address = {};
  uint16_t port = 0;
  friend auto operator<=>(const TcpEndpoint&, const TcpEndpoint&) = default;

  std::string Text() const;  // "192.0.2.1:443", "[2001:db8::1]:443"
  std::string Uri() const;   // "ipv4:192.0.2.1:443", "ipv6:[2001:db8::1]:443"
  // What one host has without effort: its IPv4 address, the /64 of an IPv6 one.
  std::string Network() const;
};

// As accept(2) and getpeername(2) tell it. INTERNAL when it is not of TCP. Pure.
absl::StatusOr<TcpEndpoint> EndpointOf(const sockaddr_storage& address);

struct TcpListener {
  UniqueFd socket;  // listens, does not block
  int port = 0;     // which it is where 0 was asked for
};
// `address`: "host:port", "[::1]:0". FAILED_PRECONDITION, SOCKET_IN_USE, when it cannot be had.
absl::StatusOr<TcpListener> ListenTcp(const std::string& address);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_TCP_ENDPOINT_H_

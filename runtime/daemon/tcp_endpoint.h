// The API's TCP port and who is at the other end of its connections.
#ifndef GLOVEBOX_DAEMON_TCP_ENDPOINT_H_
#define GLOVEBOX_DAEMON_TCP_ENDPOINT_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// A value. IPv4 as IPv6 shows it (::ffff:a.b.c.d).
struct TcpEndpoint {
  std::array<uint8_t, 16> address = {};
  uint16_t port = 0;
  friend auto operator<=>(const TcpEndpoint&, const TcpEndpoint&) = default;

  std::string Text() const;  // "192.0.2.1:443", "[2001:db8::1]:443"
  // What one host has without effort: its IPv4 address, the /64 of an IPv6 one.
  std::string Network() const;
};

// Of the other side of a connection.
absl::StatusOr<TcpEndpoint> PeerEndpointOf(int socket_fd);

// "ipv4:192.0.2.1:443", "ipv6:%5B2001:db8::1%5D:443", as gRPC names a peer; nullopt: of another
// form. Pure.
std::optional<TcpEndpoint> ParseGrpcPeer(absl::string_view peer);

struct TcpListener {
  UniqueFd socket;  // listens, does not block
  int port = 0;     // which it is where 0 was asked for
};
// `address`: "host:port", "[::1]:0". FAILED_PRECONDITION, SOCKET_IN_USE, when it cannot be had.
absl::StatusOr<TcpListener> ListenTcp(const std::string& address);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_TCP_ENDPOINT_H_

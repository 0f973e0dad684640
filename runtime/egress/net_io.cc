#include "egress/net_io.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/status.h"

namespace glovebox {

tcp::endpoint ToAsio(const IpAddress& address, uint16_t port) {
  if (!address.is_v6) return {asio::ip::address_v4(address.V4HostOrder()), port};
  asio::ip::address_v6::bytes_type bytes;
  std::copy(address.bytes.begin(), address.bytes.end(), bytes.begin());
  return {asio::ip::address_v6(bytes), port};
}

IpAddress FromAsio(const asio::ip::address& address) {
  if (address.is_v4()) return IpAddress::V4(address.to_v4().to_uint());
  const auto raw = address.to_v6().to_bytes();
  std::array<uint8_t, 16> bytes;
  std::copy(raw.begin(), raw.end(), bytes.begin());
  return IpAddress::V6(bytes).Unmapped();
}

EgressEndpoint ToWire(const IpAddress& address, uint16_t port) {
  EgressEndpoint endpoint;
  std::copy(address.bytes.begin(), address.bytes.end(), endpoint.address);
  endpoint.is_v6 = address.is_v6 ? 1 : 0;
  endpoint.port = port;
  return endpoint;
}

IpAddress FromWire(const EgressEndpoint& endpoint) {
  IpAddress address;
  address.is_v6 = endpoint.is_v6 != 0;
  const size_t size = address.is_v6 ? 16 : 4;
  std::copy(endpoint.address, endpoint.address + size, address.bytes.begin());
  return address;
}

void ResetOnClose(tcp::socket* socket) {
  const linger now{1, 0};
  if (!socket->is_open()) return;
  (void)::setsockopt(socket->native_handle(), SOL_SOCKET, SO_LINGER, &now,
                     sizeof now);  // cannot fail
}

absl::StatusOr<UniqueFd> MakeTcpSocket(bool is_v6) {
  UniqueFd fd(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  const int on = 1;
  // Both are for the better and need not succeed.
  (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return fd;
}

bool IsOwnAddress(const IpAddress& address) {
  const tcp::endpoint endpoint = ToAsio(address, 0);
  const UniqueFd fd(::socket(address.is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // Unknown is taken for one of ours; but a host without IPv6 has no address of it.
  if (!fd.valid()) return errno != EAFNOSUPPORT;
  if (::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0) return true;
  return errno != EADDRNOTAVAIL;
}

}  // namespace glovebox

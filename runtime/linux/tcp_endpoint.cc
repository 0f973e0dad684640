#include "linux/tcp_endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr int kBacklog = 512;
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool IsIpv4(const TcpEndpoint& endpoint) {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), endpoint.address.begin());
}

std::string AddressText(const TcpEndpoint& endpoint) {
  char text[INET6_ADDRSTRLEN] = {};
  const bool ipv4 = IsIpv4(endpoint);
  (void)::inet_ntop(ipv4 ? AF_INET : AF_INET6,  // cannot fail: there is room
                    endpoint.address.data() + (ipv4 ? kMappedPrefix.size() : 0), text, sizeof text);
  return text;
}

absl::Status CannotListen(const std::string& address, absl::string_view why) {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("tcp.listen: cannot listen on ", address, " (", why,
                                    "); is the port taken, the address this host's?"),
                       {"SOCKET_IN_USE", {}});
}

struct AddressesFree {
  void operator()(addrinfo* found) const { ::freeaddrinfo(found); }
};

absl::StatusOr<std::unique_ptr<addrinfo, AddressesFree>> Resolve(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return CannotListen(address, "no port");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) return CannotListen(address, ::gai_strerror(error));
  return std::unique_ptr<addrinfo, AddressesFree>(found);
}

}  // namespace

std::string TcpEndpoint::Text() const {
  const std::string host = AddressText(*this);
  return IsIpv4(*this) ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
}

std::string TcpEndpoint::Uri() const {
  return absl::StrCat(IsIpv4(*this) ? "ipv4:" : "ipv6:", Text());
}

std::string TcpEndpoint::Network() const {
  if (IsIpv4(*this)) return AddressText(*this);
  TcpEndpoint network = *this;
  std::fill(network.address.begin() + 8, network.address.end(), 0);
  return absl::StrCat(AddressText(network), "/64");
}

absl::StatusOr<TcpEndpoint> EndpointOf(const sockaddr_storage& storage) {
  TcpEndpoint endpoint;
  if (storage.ss_family == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, &storage, sizeof ipv4);
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), endpoint.address.begin());
    std::memcpy(endpoint.address.data() + kMappedPrefix.size(), &ipv4.sin_addr, 4);
    endpoint.port = ntohs(ipv4.sin_port);
    return endpoint;
  }
  if (storage.ss_family != AF_INET6) return absl::InternalError("a peer that is not of TCP");
  sockaddr_in6 ipv6{};
  std::memcpy(&ipv6, &storage, sizeof ipv6);
  std::memcpy(endpoint.address.data(), &ipv6.sin6_addr, endpoint.address.size());
  endpoint.port = ntohs(ipv6.sin6_port);
  return endpoint;
}

absl::StatusOr<TcpListener> ListenTcp(const std::string& address) {
  ASSIGN_OR_RETURN(const auto found, Resolve(address));
  UniqueFd socket(
      ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  const int on = 1;
  // Else a port whose last connections linger could not be had again for a minute. Another process
  // that listens on it keeps it all the same.
  if (!socket.valid() ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return CannotListen(address, std::strerror(errno));
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return ErrnoError(errno, "getsockname");
  }
  ASSIGN_OR_RETURN(const TcpEndpoint own, EndpointOf(bound));
  return TcpListener{std::move(socket), own.port};
}

}  // namespace glovebox

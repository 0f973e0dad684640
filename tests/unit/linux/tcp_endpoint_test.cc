#include "linux/tcp_endpoint.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

TcpEndpoint From(int family, const char* address, uint16_t port) {
  sockaddr_storage storage{};
  storage.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    auto* const ipv4 = reinterpret_cast<sockaddr_in*>(&storage);
    ipv4->sin_port = htons(port);
    EXPECT_EQ(::inet_pton(AF_INET, address, &ipv4->sin_addr), 1);
  } else {
    auto* const ipv6 = reinterpret_cast<sockaddr_in6*>(&storage);
    ipv6->sin6_port = htons(port);
    EXPECT_EQ(::inet_pton(AF_INET6, address, &ipv6->sin6_addr), 1);
  }
  auto endpoint = EndpointOf(storage);
  EXPECT_TRUE(endpoint.ok()) << endpoint.status();
  return endpoint.ok() ? *endpoint : TcpEndpoint{};
}

TEST(TcpEndpoint, IsToldAsItIsWrittenEverywhere) {
  EXPECT_EQ(From(AF_INET, "192.0.2.1", 443).Text(), "192.0.2.1:443");
  EXPECT_EQ(From(AF_INET6, "2001:db8::1", 443).Text(), "[2001:db8::1]:443");
  EXPECT_EQ(From(AF_INET, "192.0.2.1", 443).Uri(), "ipv4:192.0.2.1:443");
  EXPECT_EQ(From(AF_INET6, "2001:db8::1", 443).Uri(), "ipv6:[2001:db8::1]:443");
  EXPECT_EQ(From(AF_INET6, "::ffff:192.0.2.1", 443), From(AF_INET, "192.0.2.1", 443));
  sockaddr_storage other{};
  other.ss_family = AF_UNIX;
  EXPECT_FALSE(EndpointOf(other).ok());
}

TEST(TcpEndpoint, ANetworkIsWhatOneHostHasWithoutEffort) {
  EXPECT_EQ(From(AF_INET, "192.0.2.1", 443).Network(), "192.0.2.1");
  EXPECT_EQ(From(AF_INET6, "2001:db8::1", 1).Network(),
            From(AF_INET6, "2001:db8::ffff:2", 2).Network());
  EXPECT_NE(From(AF_INET6, "2001:db8::1", 1).Network(),
            From(AF_INET6, "2001:db8:0:1::1", 1).Network());
}

TEST(ListenTcp, TellsThePortAndWhoConnectsAndWhatCannotBeHad) {
  auto listener = ListenTcp("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_GT(listener->port, 0);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(listener->port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  const UniqueFd accepted(::accept4(listener->socket.get(), reinterpret_cast<sockaddr*>(&storage),
                                    &size, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted.valid());
  sockaddr_in own{};
  socklen_t own_size = sizeof own;
  ASSERT_EQ(::getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &own_size), 0);
  EXPECT_EQ(EndpointOf(storage)->Text(), absl::StrCat("127.0.0.1:", ntohs(own.sin_port)));
  for (const std::string& refused :
       {absl::StrCat("127.0.0.1:", listener->port), std::string("192.0.2.1:0"),
        std::string("127.0.0.1"), std::string("no host:1")}) {
    const auto detail = GetErrorDetail(ListenTcp(refused).status());
    ASSERT_TRUE(detail.has_value()) << refused;
    EXPECT_EQ(detail->reason, "SOCKET_IN_USE");
  }
}

}  // namespace
}  // namespace glovebox

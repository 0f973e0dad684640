#include "linux/socket_diag.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr uint32_t kSequence = 7;

// In a network namespace of its own, whose loopback is up: nobody else listens there, and nobody
// else reaches what does.
class SocketDiagTest : public testing::Test {
 protected:
  void SetUp() override {
    outside_.Reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(outside_.valid());
    inside_ = ::unshare(CLONE_NEWNET) == 0;
    SKIP_UNLESS(inside_, "a network namespace takes root");
    ifreq loopback{};
    std::strcpy(loopback.ifr_name, "lo");
    loopback.ifr_flags = IFF_UP;
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::ioctl(fd.get(), SIOCSIFFLAGS, &loopback), 0);
  }
  void TearDown() override {
    if (inside_) {
      ASSERT_EQ(::setns(outside_.get(), CLONE_NEWNET), 0);
    }
  }

 private:
  UniqueFd outside_;
  bool inside_ = false;
};

SocketDiag Diag(UniqueFd* shared = nullptr) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (shared != nullptr) shared->Reset(::dup(fd.get()));
  auto diag = SocketDiag::Adopt(std::move(fd));
  EXPECT_TRUE(diag.ok()) << diag.status();
  return *std::move(diag);
}

struct Server {
  UniqueFd fd;
  uint16_t port = 0;
  uint64_t inode = 0;
};
template <typename Address>
Server Bind(Address address, bool listens = true) {
  Server server;
  const int family = reinterpret_cast<const sockaddr*>(&address)->sa_family;
  server.fd.Reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(server.fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  if (listens) {
    EXPECT_EQ(::listen(server.fd.get(), 1), 0);
  }
  sockaddr_in bound{};  // the port is at the same place of both
  socklen_t size = sizeof bound;
  (void)::getsockname(server.fd.get(), reinterpret_cast<sockaddr*>(&bound), &size);
  server.port = ntohs(bound.sin_port);
  struct stat status {};
  (void)::fstat(server.fd.get(), &status);
  server.inode = status.st_ino;
  return server;
}
Server Ipv4(uint32_t address, bool listens = true) {
  sockaddr_in full{};
  full.sin_family = AF_INET;
  full.sin_addr.s_addr = htonl(address);
  return Bind(full, listens);
}
Server Ipv6(const in6_addr& address) {
  sockaddr_in6 full{};
  full.sin6_family = AF_INET6;
  full.sin6_addr = address;
  return Bind(full);
}

TEST_F(SocketDiagTest, OnlySocketsForThatAreTaken) {
  const auto taken = [](int fd) { return SocketDiag::Adopt(UniqueFd(fd)).ok(); };
  EXPECT_TRUE(taken(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)));
  EXPECT_FALSE(taken(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)));
  EXPECT_FALSE(taken(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  EXPECT_FALSE(taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_FALSE(taken(ends[0]));
  EXPECT_FALSE(taken(ends[1]));
}

TEST_F(SocketDiagTest, WhatAConnectionWouldGetIsFound) {
  SocketDiag diag = Diag();
  ASSERT_TRUE(diag.Check().ok());
  const Server loopback = Ipv4(INADDR_LOOPBACK), any = Ipv4(INADDR_ANY);
  const Server other = Ipv4(INADDR_LOOPBACK + 1), deaf = Ipv4(INADDR_LOOPBACK, false);
  for (const Server* server : {&loopback, &any}) {
    const auto found = diag.Find(server->port);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->port, server->port);
    EXPECT_EQ((*found)->inode, server->inode);
    EXPECT_EQ((*found)->address, server == &any ? "0.0.0.0" : "127.0.0.1");
  }
  for (const Server* server : {&other, &deaf}) {
    const auto found = diag.Find(server->port);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_FALSE(found->has_value()) << (*found)->address;
  }
}

TEST_F(SocketDiagTest, ServersOfIpv6AreFound) {
  SocketDiag diag = Diag();
  const Server loopback = Ipv6(in6addr_loopback), any = Ipv6(in6addr_any);
  for (const Server* server : {&loopback, &any}) {
    const auto found = diag.Find(server->port);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->address, server == &any ? "::" : "::1");
  }
}

TEST_F(SocketDiagTest, AllThatListenAreListedAndTheRestIsCounted) {
  SocketDiag diag = Diag();
  const Server first = Ipv4(INADDR_LOOPBACK + 5), second = Ipv6(in6addr_any);
  const Server deaf = Ipv4(INADDR_LOOPBACK, false);
  const auto listing = diag.List(100'000);
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_EQ(listing->omitted, 0u);
  ASSERT_EQ(listing->sockets.size(), 2u);
  EXPECT_EQ(listing->sockets[0].address, "127.0.0.6");
  EXPECT_EQ(listing->sockets[0].inode, first.inode);
  EXPECT_EQ(listing->sockets[1].address, "::");
  EXPECT_EQ(listing->sockets[1].inode, second.inode);
  const auto cut = diag.List(1);
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->sockets.size(), 1u);
  EXPECT_EQ(cut->omitted, 1u);
}

struct ListingQuestion {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

ListingQuestion ListEverySocket() {
  ListingQuestion question{};
  question.header = {sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0};
  question.body.sdiag_family = AF_INET;
  question.body.sdiag_protocol = IPPROTO_TCP;
  question.body.idiag_states = ~0u;
  return question;
}

TEST_F(SocketDiagTest, AnswersToSomebodyElseAreNotTakenForOurs) {
  UniqueFd shared;
  SocketDiag diag = Diag(&shared);
  const Server server = Ipv4(INADDR_LOOPBACK);
  const ListingQuestion question = ListEverySocket();
  for (int i = 0; i < 3; ++i) {
    // Whoever loses the processor for kFoundWithinMs meanwhile asks again.
    absl::StatusOr<std::optional<ListeningSocket>> found = absl::UnavailableError("not asked yet");
    for (int tries = 0; absl::IsUnavailable(found.status()) && tries < 100; ++tries) {
      ASSERT_EQ(::send(shared.get(), &question, sizeof question, 0), ssize_t{sizeof question});
      found = diag.Find(server.port);
    }
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->inode, server.inode);
  }
}

TEST_F(SocketDiagTest, AnAnswerThatWasStolenIsAnErrorAndNothingWaits) {
  UniqueFd shared;
  SocketDiag diag = Diag(&shared);
  sock_filter none[] = {{0x06, 0, 0, 0}};  // drop everything
  const sock_fprog program{1, none};
  ASSERT_EQ(::setsockopt(shared.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
  for (const absl::Status& status : {diag.Find(1).status(), diag.List(10).status()}) {
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_EQ(GetErrorDetail(status)->reason, "PORTS_UNKNOWN");
  }
}

// One of a connection, with what its peer has.
struct Client {
  UniqueFd fd, peer;
  SocketEnd own, other;
};
SocketEnd EndOf(const UniqueFd& fd, bool own) {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(own ? ::getsockname(fd.get(), any, &size) : ::getpeername(fd.get(), any, &size), 0);
  SocketEnd end;
  end.port = ntohs(address.sin6_port);
  end.is_v6 = any->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&address.sin6_addr);
  const auto& ipv4 = *reinterpret_cast<const sockaddr_in*>(&address);
  const void* bytes = &address.sin6_addr;
  if (any->sa_family == AF_INET) bytes = &ipv4.sin_addr;
  if (any->sa_family == AF_INET6 && !end.is_v6) bytes = &address.sin6_addr.s6_addr[12];
  std::memcpy(end.address.data(), bytes, end.is_v6 ? 16 : 4);
  return end;
}
template <typename Address>
Client Connect(const Server& server, Address to, int type = SOCK_STREAM) {
  Client client;
  auto* const any = reinterpret_cast<sockaddr*>(&to);
  client.fd.Reset(::socket(any->sa_family, type | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.fd.get(), any, sizeof to), 0);
  if (type == SOCK_STREAM) client.peer.Reset(::accept(server.fd.get(), nullptr, nullptr));
  client.own = EndOf(client.fd, true);
  client.other = EndOf(client.fd, false);
  return client;
}
sockaddr_in To4(uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  return to;
}
sockaddr_in6 To6(uint16_t port, const char* address) {
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  EXPECT_EQ(::inet_pton(AF_INET6, address, &to.sin6_addr), 1);
  to.sin6_port = htons(port);
  return to;
}

TEST_F(SocketDiagTest, WhereAClientWasMadeIsTold) {
  SocketDiag diag = Diag();
  const Server ipv4 = Ipv4(INADDR_LOOPBACK), ipv6 = Ipv6(in6addr_loopback);
  const Client clients[] = {Connect(ipv4, To4(ipv4.port)), Connect(ipv6, To6(ipv6.port, "::1")),
                            Connect(ipv4, To6(ipv4.port, "::ffff:127.0.0.1"))};
  uint64_t first = 0;
  for (const Client& client : clients) {
    const auto cgroup = diag.CgroupOfClient(SocketProtocol::kTcp, client.own, client.other);
    ASSERT_TRUE(cgroup.ok()) << cgroup.status();
    EXPECT_NE(*cgroup, 0u);
    if (first == 0) first = *cgroup;
    EXPECT_EQ(*cgroup, first) << "all are this process's";
  }
  const Client udp = Connect({}, To4(53), SOCK_DGRAM);
  const auto cgroup = diag.CgroupOfClient(SocketProtocol::kUdp, udp.own, udp.other);
  if (absl::IsFailedPrecondition(cgroup.status())) return;  // a kernel without udp_diag
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  EXPECT_EQ(*cgroup, first);
}

TEST_F(SocketDiagTest, AClientThatIsGoneIsNobodys) {
  SocketDiag diag = Diag();
  const Server server = Ipv4(INADDR_LOOPBACK);
  Client client = Connect(server, To4(server.port));
  const linger at_once{1, 0};
  ASSERT_EQ(::setsockopt(client.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  client.fd.Reset();
  const auto gone = diag.CgroupOfClient(SocketProtocol::kTcp, client.own, client.other);
  ASSERT_TRUE(gone.ok()) << gone.status();
  EXPECT_EQ(*gone, 0u);
  // Who listens there is not it.
  client.own.port = server.port;
  const auto listens = diag.CgroupOfClient(SocketProtocol::kTcp, client.own, client.other);
  ASSERT_TRUE(listens.ok()) << listens.status();
  EXPECT_EQ(*listens, 0u);
}

TEST_F(SocketDiagTest, WhoSharesTheSocketMakesNobodyElseTheClient) {
  UniqueFd shared;
  SocketDiag diag = Diag(&shared);
  const Server server = Ipv4(INADDR_LOOPBACK);
  const Client client = Connect(server, To4(server.port));
  const ListingQuestion question = ListEverySocket();
  const uint64_t own = *diag.CgroupOfClient(SocketProtocol::kTcp, client.own, client.other);
  for (int i = 0; i < 100; ++i) {
    (void)::send(shared.get(), &question, sizeof question, MSG_DONTWAIT);
    const auto cgroup = diag.CgroupOfClient(SocketProtocol::kTcp, client.own, client.other);
    if (cgroup.ok()) {
      EXPECT_EQ(*cgroup, own);
    } else {
      EXPECT_TRUE(absl::IsUnavailable(cgroup.status())) << cgroup.status();
    }
  }
}

std::string Message(uint16_t type, absl::string_view body, uint32_t sequence = kSequence) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_seq = sequence;
  std::string message = absl::StrCat(BytesOf(header), body);
  message.resize(NLMSG_ALIGN(message.size()));
  return message;
}

TEST(DiagAnswerTest, WhatIsNoAnswerIsRefused) {
  EXPECT_FALSE(ParseDiagAnswer("x", kSequence).ok());
  EXPECT_FALSE(ParseDiagAnswer(Message(SOCK_DIAG_BY_FAMILY, "short"), kSequence).ok());
  EXPECT_FALSE(ParseDiagAnswer(Message(NLMSG_ERROR, "12"), kSequence).ok());
  std::string longer = Message(NLMSG_DONE, "");
  longer[0] = 100;
  EXPECT_FALSE(ParseDiagAnswer(longer, kSequence).ok());
  // Of another question.
  const auto other = ParseDiagAnswer(Message(SOCK_DIAG_BY_FAMILY, "short", 8), kSequence);
  ASSERT_TRUE(other.ok());
  EXPECT_TRUE(other->sockets.empty() && !other->done);
  const int32_t error = -ENOENT;
  const auto failed = ParseDiagAnswer(Message(NLMSG_ERROR, BytesOf(error)), kSequence);
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(failed->error, ENOENT);
}

TEST(ClientAnswerTest, WhatIsNoAnswerIsRefused) {
  EXPECT_FALSE(ParseClientAnswer("x", kSequence).ok());
  EXPECT_FALSE(ParseClientAnswer(Message(SOCK_DIAG_BY_FAMILY, "short"), kSequence).ok());
  EXPECT_FALSE(ParseClientAnswer(Message(NLMSG_ERROR, "12"), kSequence).ok());
  const auto other = ParseClientAnswer(Message(SOCK_DIAG_BY_FAMILY, "short", 8), kSequence);
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(other->has_value());
  const int32_t error = -ENOENT;
  const auto failed = ParseClientAnswer(Message(NLMSG_ERROR, BytesOf(error)), kSequence);
  ASSERT_TRUE(failed.ok() && failed->has_value());
  EXPECT_EQ((*failed)->error, ENOENT);
  EXPECT_FALSE((*failed)->found);
}

}  // namespace
}  // namespace glovebox

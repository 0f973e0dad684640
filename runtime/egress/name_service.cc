#include "egress/name_service.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "egress/dns_message.h"

namespace glovebox {
namespace {

// NOLINTBEGIN(misc-unused-using-decls): clang-tidy does not see what is awaited
using asio::experimental::awaitable_operators::operator||;
// NOLINTEND(misc-unused-using-decls)

constexpr uint16_t kDnsPort = 53;
constexpr int kTurnQuestions = 32;  // before others have their turn
constexpr auto kNothingToRead = std::chrono::milliseconds(100);
constexpr auto kTcpIdle = std::chrono::seconds(10);

void TellDenied(SandboxEgress* sandbox, const DnsQuery& query, EgressDenial denial,
                const ClientCommand& command) {
  EgressMessage event;
  event.event = EgressEventKind::kRefused;
  event.denial = static_cast<uint32_t>(denial);
  event.connection = sandbox->shared->next_connection++;
  event.start_unix_ms = absl::ToUnixMillis(sandbox->shared->clock->Now());
  PutText(query.name.has_value() ? query.name->value() : "", event.host, sizeof event.host);
  sandbox->Tell(event, command);
}

std::string AnswerName(SandboxEgress* sandbox, const DnsQuery& query,
                       absl::FunctionRef<ClientCommand()> asker) {
  if (!query.name.has_value() || !sandbox->rules->Knows(*query.name)) {
    const bool none = sandbox->rules->mode() == EgressMode::kNone;
    TellDenied(sandbox, query, none ? EgressDenial::kNoEgress : EgressDenial::kNoRule, asker());
    return DnsAnswer(query, DnsCode::kNoSuchName, std::nullopt);
  }
  if (query.type != static_cast<uint16_t>(DnsType::kA)) {
    return DnsAnswer(query, DnsCode::kNoError, std::nullopt);
  }
  const std::optional<IpAddress> address = sandbox->names.AddressOf(*query.name);
  if (!address.has_value()) {
    TellDenied(sandbox, query, EgressDenial::kLimit, asker());
    return DnsAnswer(query, DnsCode::kServerFailure, std::nullopt);
  }
  return DnsAnswer(query, DnsCode::kNoError, address);
}

IpAddress Ipv4(const in_addr& address) {
  IpAddress ipv4;
  std::memcpy(ipv4.bytes.data(), &address, sizeof address);
  return ipv4;
}
// One that came to an IPv6 socket may be IPv4.
IpAddress Ipv6(const in6_addr& address) {
  IpAddress ipv6;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    std::memcpy(ipv6.bytes.data(), &address.s6_addr[12], 4);
    return ipv6;
  }
  ipv6.is_v6 = true;
  std::memcpy(ipv6.bytes.data(), &address, sizeof address);
  return ipv6;
}

// Who asked, and which address was asked.
std::optional<ClientEnds> EndsOf(msghdr* message) {
  std::optional<IpAddress> asked;
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      asked = Ipv4(info.ipi_addr);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      asked = Ipv6(info.ipi6_addr);
    }
  }
  if (!asked.has_value()) return std::nullopt;
  const SocketEnd server = ToSocketEnd(*asked, kDnsPort);
  const auto* const peer = static_cast<const sockaddr*>(message->msg_name);
  if (peer->sa_family == AF_INET) {
    const auto& ipv4 = *reinterpret_cast<const sockaddr_in*>(peer);
    return ClientEnds{ToSocketEnd(Ipv4(ipv4.sin_addr), ntohs(ipv4.sin_port)), server};
  }
  const auto& ipv6 = *reinterpret_cast<const sockaddr_in6*>(peer);
  return ClientEnds{ToSocketEnd(Ipv6(ipv6.sin6_addr), ntohs(ipv6.sin6_port)), server};
}

// The source of the answer is the address that was asked: the kernel tells it in the same form in
// which it takes it. It never waits, whatever the socket's flags: who made the socket may hold it
// still. False: nothing waits, or the socket does not say it.
bool AnswerOne(SandboxEgress* sandbox, int fd) {
  std::array<char, kDnsQueryBytesMax + 1> bytes;
  alignas(cmsghdr) std::array<char, 128> control;
  sockaddr_storage peer{};
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_name = &peer;
  message.msg_namelen = sizeof peer;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return errno == EINTR;
  if (!sandbox->question_rate.Take(sandbox->shared->clock->MonotonicNanos())) return true;
  const auto asker = [&] {
    return sandbox->commands.Of(SocketProtocol::kUdp, [&] { return EndsOf(&message); });
  };
  const std::string answer =
      AnswerQuestion(sandbox, {bytes.data(), static_cast<size_t>(got)}, asker);
  if (answer.empty() || (message.msg_flags & MSG_CTRUNC) != 0) return true;
  part = {const_cast<char*>(answer.data()), answer.size()};
  message.msg_flags = 0;
  (void)::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);  // an answer may be lost, as anywhere
  return true;
}

}  // namespace

std::string AnswerQuestion(SandboxEgress* sandbox, absl::string_view packet,
                           absl::FunctionRef<ClientCommand()> asker) {
  const DnsQuery query = ParseDnsQuery(packet);
  switch (query.verdict) {
    case DnsVerdict::kDrop:
      return "";
    case DnsVerdict::kFormatError:
      return DnsAnswer(query, DnsCode::kFormatError, std::nullopt);
    case DnsVerdict::kNotImplemented:
      return DnsAnswer(query, DnsCode::kNotImplemented, std::nullopt);
    case DnsVerdict::kRefused:
      return DnsAnswer(query, DnsCode::kRefused, std::nullopt);
    case DnsVerdict::kQuestion:
      break;
  }
  return AnswerName(sandbox, query, asker);
}

bool AnswerTurn(SandboxEgress* sandbox, int fd) {
  int answered = 0;
  while (answered < kTurnQuestions && AnswerOne(sandbox, fd)) ++answered;
  return answered != 0;
}

awaitable<void> ServeNamesOverUdp(std::shared_ptr<SandboxEgress> sandbox,
                                  std::shared_ptr<asio::posix::stream_descriptor> socket) {
  const int fd = socket->native_handle();
  const int on = 1;
  // The one that is of the other family fails.
  (void)::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  (void)::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  // Without it the kernel sends from addresses of interfaces alone, and only the route has these.
  (void)::setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
  asio::steady_timer pause(*sandbox->shared->io);
  while (!sandbox->removed) {
    auto [error] = co_await socket->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (error || sandbox->removed) co_return;
    if (AnswerTurn(sandbox.get(), fd)) continue;
    // Readable, and nothing to read: shut down by whoever holds it in the sandbox, or an error that
    // they brought upon it. It may stay so.
    pause.expires_after(kNothingToRead);
    (void)co_await pause.async_wait(kAsTuple);
  }
}

awaitable<void> ServeNamesOverTcp(std::shared_ptr<SandboxEgress> sandbox, tcp::socket* client,
                                  ClientCommand command) {
  asio::steady_timer idle(*sandbox->shared->io);
  const auto read = [&](char* bytes, size_t size) -> awaitable<bool> {
    idle.expires_after(kTcpIdle);
    auto result = co_await (asio::async_read(*client, asio::buffer(bytes, size), kAsTuple) ||
                            idle.async_wait(kAsTuple));
    co_return result.index() == 0 && !std::get<0>(std::get<0>(result)) && !sandbox->removed;
  };
  for (;;) {
    std::array<uint8_t, 2> length;
    if (!co_await read(reinterpret_cast<char*>(length.data()), length.size())) co_return;
    std::string packet(static_cast<size_t>(length[0]) << 8 | length[1], 0);
    if (packet.size() > kDnsQueryBytesMax) co_return;
    if (!co_await read(packet.data(), packet.size())) co_return;
    if (!sandbox->question_rate.Take(sandbox->shared->clock->MonotonicNanos())) co_return;
    const std::string answer = AnswerQuestion(sandbox.get(), packet, [&] { return command; });
    if (answer.empty()) co_return;
    std::string framed = {static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size())};
    framed += answer;
    idle.expires_after(kTcpIdle);
    auto result = co_await (asio::async_write(*client, asio::buffer(framed), kAsTuple) ||
                            idle.async_wait(kAsTuple));
    if (result.index() != 0 || std::get<0>(std::get<0>(result))) co_return;
  }
}

}  // namespace glovebox

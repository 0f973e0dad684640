#include "egress/name_service.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "egress/dns_message.h"

namespace glovebox {
namespace {

// NOLINTBEGIN(misc-unused-using-decls): clang-tidy does not see what is awaited
using asio::experimental::awaitable_operators::operator||;
// NOLINTEND(misc-unused-using-decls)

constexpr int kTurnQuestions = 32;  // before others have their turn
constexpr auto kNothingToRead = std::chrono::milliseconds(100);
constexpr auto kTcpIdle = std::chrono::seconds(10);

void TellDenied(SandboxEgress* sandbox, const DnsQuery& query, EgressDenial denial) {
  EgressMessage event;
  event.event = EgressEventKind::kRefused;
  event.denial = static_cast<uint32_t>(denial);
  event.sandbox = sandbox->number;
  event.connection = sandbox->shared->next_connection++;
  event.start_unix_ms = absl::ToUnixMillis(sandbox->shared->clock->Now());
  PutText(query.name.has_value() ? query.name->value() : "", event.host, sizeof event.host);
  sandbox->Tell(event);
}

std::string AnswerName(SandboxEgress* sandbox, const DnsQuery& query) {
  if (!query.name.has_value() || !sandbox->rules->Knows(*query.name)) {
    const bool none = sandbox->rules->mode() == EgressMode::kNone;
    TellDenied(sandbox, query, none ? EgressDenial::kNoEgress : EgressDenial::kNoRule);
    return DnsAnswer(query, DnsCode::kNoSuchName, std::nullopt);
  }
  if (query.type != static_cast<uint16_t>(DnsType::kA)) {
    return DnsAnswer(query, DnsCode::kNoError, std::nullopt);
  }
  const std::optional<IpAddress> address = sandbox->names.AddressOf(*query.name);
  if (!address.has_value()) {
    TellDenied(sandbox, query, EgressDenial::kLimit);
    return DnsAnswer(query, DnsCode::kServerFailure, std::nullopt);
  }
  return DnsAnswer(query, DnsCode::kNoError, address);
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
  const std::string answer = AnswerQuestion(sandbox, {bytes.data(), static_cast<size_t>(got)});
  if (answer.empty() || (message.msg_flags & MSG_CTRUNC) != 0) return true;
  part = {const_cast<char*>(answer.data()), answer.size()};
  message.msg_flags = 0;
  (void)::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);  // an answer may be lost, as anywhere
  return true;
}

}  // namespace

std::string AnswerQuestion(SandboxEgress* sandbox, absl::string_view packet) {
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
  return AnswerName(sandbox, query);
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
    int answered = 0;
    while (answered < kTurnQuestions && AnswerOne(sandbox.get(), fd)) ++answered;
    if (answered != 0) continue;
    // Readable, and nothing to read: shut down by whoever holds it in the sandbox, or an error that
    // they brought upon it. It may stay so.
    pause.expires_after(kNothingToRead);
    (void)co_await pause.async_wait(kAsTuple);
  }
}

awaitable<void> ServeNamesOverTcp(std::shared_ptr<SandboxEgress> sandbox, tcp::socket* client) {
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
    const std::string answer = AnswerQuestion(sandbox.get(), packet);
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

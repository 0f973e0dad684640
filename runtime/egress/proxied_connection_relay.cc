// The other side of a connection: found, dialled, and passed on to.
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "egress/proxied_connection.h"
#include "egress/socks5.h"

namespace glovebox {
namespace {

// NOLINTBEGIN(misc-unused-using-decls): clang-tidy does not see what is awaited
using asio::experimental::awaitable_operators::operator&&;
using asio::experimental::awaitable_operators::operator||;
// NOLINTEND(misc-unused-using-decls)

constexpr int kTurnPieces = 2;  // in a row, before others have their turn

}  // namespace

awaitable<bool> ProxiedConnection::Dial() {
  std::vector<IpAddress> addresses = {asked_.address};
  if (asked_.name.has_value()) {
    addresses = co_await Resolve();
    if (ended_) co_return false;
    if (addresses.empty()) {
      co_return co_await Fail("its name has no address");
    }
  }
  const auto may_not = [this](const IpAddress& address) {
    return sandbox_->rules->JudgeAddress(address) != EgressDenial::kNone || IsOwnAddress(address);
  };
  addresses.erase(std::remove_if(addresses.begin(), addresses.end(), may_not), addresses.end());
  if (addresses.empty()) {
    co_return co_await Refuse(EgressDenial::kPrivateAddress);
  }
  Arm(shared_->setup.connect_ms * static_cast<uint32_t>(addresses.size()) + kPartingMs);
  for (const IpAddress& address : addresses) {
    if (co_await Connect(address)) {
      // The rules may have changed while it was dialled.
      if (ended_ || JudgeAgain()) co_return false;
      Arm(shared_->setup.opening_ms);
      co_return true;
    }
    if (ended_) co_return false;
  }
  if (asked_.name.has_value()) sandbox_->answers.Forget(*asked_.name);
  co_return co_await Fail("it does not answer");
}

awaitable<std::vector<IpAddress>> ProxiedConnection::Resolve() {
  const auto* const kept = sandbox_->answers.Find(*asked_.name, shared_->clock->MonotonicNanos());
  if (kept != nullptr) co_return *kept;
  ResolvedName found = co_await shared_->resolver->Resolve(*asked_.name, &lookup_);
  sandbox_->answers.Keep(*asked_.name, found.addresses, found.ttl_seconds,
                         shared_->clock->MonotonicNanos());
  co_return std::move(found.addresses);
}

awaitable<bool> ProxiedConnection::Connect(const IpAddress& address) {
  absl::StatusOr<UniqueFd> fd = MakeTcpSocket(address.is_v6);
  if (!fd.ok()) co_return false;
  boost::system::error_code none;
  (void)upstream_.close(none);
  (void)upstream_.assign(address.is_v6 ? tcp::v6() : tcp::v4(), fd->get(), none);
  if (none) co_return false;
  (void)fd->Release();  // the socket's from here on
  dialled_ = address;
  lookup_.expires_after(std::chrono::milliseconds(shared_->setup.connect_ms));
  auto result = co_await (upstream_.async_connect(ToAsio(address, asked_.port), kAsTuple) ||
                          lookup_.async_wait(kAsTuple));
  if (result.index() != 0) co_return false;
  co_return !std::get<0>(std::get<0>(result));
}

awaitable<bool> ProxiedConnection::Reply() {
  if (way_ == Way::kHttp) co_return true;  // the origin answers
  const std::string words = role_ == EgressRole::kSocks5
                                ? Socks5Reply(Socks5Code::kGranted)
                                : "HTTP/1.1 200 Connection established\r\n\r\n";
  co_await Say(words);
  spoken_ = Spoken::kNothing;  // what comes now is another protocol
  co_return !ended_;
}

awaitable<void> ProxiedConnection::Relay() {
  if (!early_.empty()) {
    if (!Count(true, early_.size())) co_return;
    auto [error, bytes] = co_await asio::async_write(upstream_, asio::buffer(early_), kAsTuple);
    if (error) co_return Abort(EgressDenial::kNone);
    early_ = std::string();
  }
  co_await (Pump(&client_, &upstream_, true) && Pump(&upstream_, &client_, false));
}

awaitable<void> ProxiedConnection::RelayHttp() {
  const auto count = [this](size_t bytes) { return Count(true, bytes); };
  const auto forward = [](std::shared_ptr<ProxiedConnection> self,
                          auto counter) -> awaitable<void> {
    SocketStream origin(&self->upstream_);
    const bool sent = co_await self->request_->Forward(&self->client_socket_, &origin,
                                                       self->target_, /*last=*/true, counter);
    boost::system::error_code none;
    // Half of it is no request: the origin must not take it for one.
    if (!sent) (void)self->upstream_.close(none);
  };
  asio::co_spawn(client_.get_executor(), forward(shared_from_this(), count),
                 [self = shared_from_this()](const std::exception_ptr& error) {
                   if (error != nullptr) self->Abort(EgressDenial::kNone);
                 });
  co_await Pump(&upstream_, &client_, false);
  if (ended_) co_return;
  boost::system::error_code none;
  (void)upstream_.close(none);
  client_.cancel(none);
  co_await SayLast("");
}

// What is between a read and a write is in shared_->scratch, or, when the other side does not take
// it, in a string of at most as much: a connection that waits has no buffer.
awaitable<void> ProxiedConnection::Pump(tcp::socket* from, tcp::socket* to, bool sending) {
  std::vector<char>& scratch = shared_->scratch;
  for (;;) {
    auto [error] = co_await from->async_wait(tcp::socket::wait_read, kAsTuple);
    if (error || ended_) co_return;
    for (int piece = 0; piece < kTurnPieces; ++piece) {
      const ssize_t got = ::recv(from->native_handle(), scratch.data(), scratch.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (got < 0) co_return Abort(EgressDenial::kNone);
      if (got == 0) {
        boost::system::error_code none;
        (void)to->shutdown(tcp::socket::shutdown_send, none);
        co_return;
      }
      const auto size = static_cast<size_t>(got);
      if (!Count(sending, size)) co_return;
      const ssize_t put = ::send(to->native_handle(), scratch.data(), size, MSG_NOSIGNAL);
      if (put < 0 && errno != EAGAIN) co_return Abort(EgressDenial::kNone);
      const size_t taken = put < 0 ? 0 : static_cast<size_t>(put);
      if (taken == size) continue;
      const std::string rest(scratch.data() + taken, size - taken);
      auto [failed, bytes] = co_await asio::async_write(*to, asio::buffer(rest), kAsTuple);
      if (failed || ended_) co_return Abort(EgressDenial::kNone);
      last_byte_ns_ = shared_->clock->MonotonicNanos();
      break;
    }
  }
}

bool ProxiedConnection::Count(bool sending, size_t bytes) {
  last_byte_ns_ = shared_->clock->MonotonicNanos();
  if (!sandbox_->Count(sending, bytes)) {
    Abort(EgressDenial::kLimit);
    return false;
  }
  (sending ? sent_bytes_ : received_bytes_) += bytes;
  return true;
}

}  // namespace glovebox

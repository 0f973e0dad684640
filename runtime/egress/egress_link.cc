#include "egress/egress_link.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/flat_bytes.h"
#include "base/status.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

constexpr int kSetupWithinMs = 20'000;

bool IsOrder(const EgressOrder& order, size_t fds) {
  if (order.magic != kEgressMagic || order.version != kEgressVersion) return false;
  switch (order.kind) {
    case EgressOrderKind::kAddSandbox:
      return order.sockets <= kEgressSocketsMax && fds == order.sockets + 2;
    case EgressOrderKind::kAddSockets:
      return order.sockets <= kEgressSocketsMax && fds == order.sockets;
    case EgressOrderKind::kReplacePolicy:
      return order.sockets == 0 && fds == 1;
    case EgressOrderKind::kRemoveSandbox:
    case EgressOrderKind::kSettle:
      return order.sockets == 0 && fds == 0;
    case EgressOrderKind::kSetNameServers:
      return order.sockets == 0 && order.name_servers > 0 &&
             order.name_servers <= kEgressNameServersMax && fds == 0;
  }
  return false;
}

}  // namespace

void PutText(absl::string_view text, char* array, size_t size) {
  std::memset(array, 0, size);
  const size_t count = std::min(text.size(), size - 1);
  std::transform(text.begin(), text.begin() + count, array,
                 [](char c) { return c > ' ' - 1 && c < 0x7f ? c : '?'; });
}

EgressLink::EgressLink(asio::io_context* io, UniqueFd socket) : socket_(*io, socket.Release()) {}

absl::Status EgressLink::Receive(Setup* received) {
  EgressSetup* const setup = &received->setup;
  ASSIGN_OR_RETURN(Packet packet,
                   ReceivePacket(socket_.native_handle(), sizeof(EgressSetup), 2, kSetupWithinMs));
  if (packet.bytes.size() != sizeof *setup || packet.fds.size() != 2) {
    return absl::InvalidArgumentError("a set-up message of another size");
  }
  received->roots = std::move(packet.fds[0]);
  received->command_words = std::move(packet.fds[1]);
  std::memcpy(setup, packet.bytes.data(), sizeof *setup);
  ::explicit_bzero(packet.bytes.data(), packet.bytes.size());  // it has a key
  if (setup->magic != kEgressMagic || setup->version != kEgressVersion ||
      setup->name_servers > kEgressNameServersMax || setup->sandboxes_max == 0 ||
      setup->connections_max == 0 || setup->certificate_bytes > kEgressCertificateBytesMax ||
      setup->key_bytes > kEgressKeyBytesMax) {
    return absl::InvalidArgumentError("a set-up message of another form");
  }
  if (::fcntl(socket_.native_handle(), F_SETFL, O_NONBLOCK) != 0) {
    return ErrnoError(errno, "O_NONBLOCK");
  }
  return absl::OkStatus();
}

void EgressLink::Ready() { Answer(EgressMessage()); }

void EgressLink::Failed(absl::string_view why) {
  EgressMessage message;
  message.kind = EgressMessageKind::kFailed;
  PutText(why, message.text, sizeof message.text);
  Answer(message);
}

void EgressLink::Start(std::function<void(Order)> take, std::function<void()> end) {
  asio::co_spawn(socket_.get_executor(), ReadOrders(std::move(take), std::move(end)), kOrExit);
}

awaitable<void> EgressLink::ReadOrders(std::function<void(Order)> take, std::function<void()> end) {
  for (;;) {
    auto [error] = co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (error) break;
    absl::StatusOr<Packet> packet =
        ReceivePacket(socket_.native_handle(), sizeof(EgressOrder), kEgressSocketsMax + 2, -1);
    if (!packet.ok() && WouldBlock(packet.status())) continue;
    Order order;
    if (!packet.ok() || packet->bytes.size() != sizeof order.order) break;
    std::memcpy(&order.order, packet->bytes.data(), sizeof order.order);
    order.fds = std::move(packet->fds);
    if (!IsOrder(order.order, order.fds.size())) break;
    take(std::move(order));
  }
  end();
}

void EgressLink::Answer(EgressMessage message) {
  answers_.push_back(message);
  Flush();
}

void EgressLink::AnswerBehindEvents(const EgressMessage& message) {
  events_.push_back(message);
  Flush();
}

void EgressLink::Event(EgressMessage message) {
  message.kind = EgressMessageKind::kEvent;
  if (events_.size() >= kEventsMax) {
    lost_ += 1 + message.lost;
    return;
  }
  message.lost += std::exchange(lost_, 0);
  events_.push_back(message);
  Flush();
}

void EgressLink::Flush() {
  while (!waiting_ && (!answers_.empty() || !events_.empty())) {
    std::deque<EgressMessage>* const queue = answers_.empty() ? &events_ : &answers_;
    const absl::Status sent = SendPacket(socket_.native_handle(), BytesOf(queue->front()), {});
    if (!sent.ok() && WouldBlock(sent)) {
      waiting_ = true;
      socket_.async_wait(asio::posix::stream_descriptor::wait_write, [this](auto error) {
        waiting_ = false;
        if (!error) Flush();
      });
      return;
    }
    queue->pop_front();  // also when nobody is there: ReadOrders sees that
  }
}

}  // namespace glovebox

#include "front/daemon_link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/escape.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

constexpr int kSetupWithinMs = 20'000;

FrontMessage Message(FrontMessageKind kind, const TcpEndpoint& peer, absl::string_view text) {
  FrontMessage message;
  message.kind = kind;
  std::copy(peer.address.begin(), peer.address.end(), message.address);
  message.port = peer.port;
  message.text_bytes = static_cast<uint32_t>(std::min(text.size(), sizeof message.text));
  std::memcpy(message.text, text.data(), message.text_bytes);
  return message;
}

}  // namespace

absl::StatusOr<DaemonLink::Received> DaemonLink::Receive() {
  ASSIGN_OR_RETURN(Packet packet, ReceivePacket(socket_.get(), sizeof(FrontSetup), kFrontSetupFds,
                                                kSetupWithinMs));
  Received received;
  if (packet.bytes.size() != sizeof received.setup || packet.fds.size() != kFrontSetupFds) {
    return absl::InvalidArgumentError("a set-up message of another form");
  }
  std::memcpy(&received.setup, packet.bytes.data(), sizeof received.setup);
  if (received.setup.magic != kFrontMagic || received.setup.version != kFrontVersion) {
    return absl::InvalidArgumentError("a set-up message of another version");
  }
  if (::fcntl(socket_.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoError(errno, "O_NONBLOCK");
  received.fds = std::move(packet.fds);
  return received;
}

DaemonLink::Order DaemonLink::TakeOrder() {
  FrontStopAccepting order;
  const ssize_t count = ::read(socket_.get(), &order, sizeof order);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Order::kNone;
  return count == sizeof order && order.magic == kFrontMagic ? Order::kStopAccepting : Order::kEnd;
}

absl::Status DaemonLink::Send(const FrontMessage& message, const std::vector<int>& fds) {
  return SendPacket(socket_.get(), BytesOf(message), fds);
}

void DaemonLink::Ready() {
  (void)Send(Message(FrontMessageKind::kReady, {}, ""), {});  // nobody there: the socket ends
}

void DaemonLink::Failed(absl::string_view why) {
  const std::string words = EscapeForPeople(why, kFrontTextBytesMax);
  (void)Send(Message(FrontMessageKind::kFailed, {}, words), {});  // the same
}

bool DaemonLink::Refused(const TcpEndpoint& peer, FrontRefusal refusal, absl::string_view why) {
  FrontMessage message =
      Message(FrontMessageKind::kRefused, peer, EscapeForPeople(why, kFrontTextBytesMax));
  message.refusal = refusal;
  return Send(message, {}).ok();
}

absl::Status DaemonLink::HandOver(const TcpEndpoint& peer, absl::string_view name,
                                  int daemon_end_fd) {
  return Send(Message(FrontMessageKind::kConnection, peer, name), {daemon_end_fd});
}

}  // namespace glovebox

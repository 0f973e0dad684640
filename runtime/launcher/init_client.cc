#include "launcher/init_client.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

// Body size that a kind from init must have; nullopt for kinds that init may not send.
std::optional<size_t> BodySize(FrameKind kind) {
  switch (kind) {
    case FrameKind::kHelloAck:
      return sizeof(HelloBody);
    case FrameKind::kStarted:
      return sizeof(StartedBody);
    case FrameKind::kOutput:
      return 0;
    case FrameKind::kStdinAck:
      return sizeof(StdinAckBody);
    case FrameKind::kEnd:
      return sizeof(ExecEnd);
    case FrameKind::kRefused:
      return sizeof(RefusedBody);
    case FrameKind::kHello:
    case FrameKind::kStart:
    case FrameKind::kStdin:
    case FrameKind::kSignal:
    case FrameKind::kResize:
    case FrameKind::kResume:
    case FrameKind::kAckEnd:
      return std::nullopt;
  }
  return std::nullopt;
}

bool IsWouldBlock(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == "WOULD_BLOCK";
}

}  // namespace

InitClient::InitClient(UniqueFd socket) : socket_(std::move(socket)) {}

absl::StatusOr<std::unique_ptr<InitClient>> InitClient::Connect(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd socket, ConnectSeqpacket(path));
  const int buffer_bytes = 1 << 20;
  // Beyond net.core.wmem_max the kernel clamps silently; a smaller buffer only means earlier back
  // pressure.
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoError(errno, "O_NONBLOCK");
  }
  std::unique_ptr<InitClient> client(new InitClient(std::move(socket)));
  const HelloBody hello{kFramesVersion, 0};
  RETURN_IF_ERROR(client->Send(FrameKind::kHello, 0, BodyBytes(hello)));
  return client;
}

absl::Status InitClient::Send(FrameKind kind, uint32_t exec_no, absl::string_view body,
                              const std::vector<int>& fds) {
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.kind = kind;
  header.exec_no = exec_no;
  header.body_size = static_cast<uint32_t>(body.size());
  const std::string message =
      absl::StrCat(absl::string_view(reinterpret_cast<const char*>(&header), sizeof header), body);
  return SendPacket(socket_.get(), message, fds);
}

absl::StatusOr<std::optional<InitFrame>> InitClient::Receive() {
  constexpr size_t kBytesMax = sizeof(FrameHeader) + kFrameBodyMax;
  absl::StatusOr<Packet> packet = ReceivePacket(socket_.get(), kBytesMax, 0, -1);
  if (!packet.ok()) {
    if (IsWouldBlock(packet.status())) return std::nullopt;
    return packet.status();
  }
  if (packet->bytes.empty()) return absl::UnavailableError("init closed its socket");
  FrameHeader header{};
  if (packet->bytes.size() < sizeof header) return absl::DataLossError("a frame without a header");
  std::memcpy(&header, packet->bytes.data(), sizeof header);
  const std::optional<size_t> size = BodySize(header.kind);
  if (header.magic != kFrameMagic || !size.has_value() || header.body_size != *size ||
      packet->bytes.size() != sizeof header + *size) {
    return absl::DataLossError(absl::StrCat("a malformed frame of kind ",
                                            static_cast<int>(header.kind), ", ",
                                            packet->bytes.size(), " bytes"));
  }
  return InitFrame{header.kind, header.exec_no, packet->bytes.substr(sizeof header)};
}

}  // namespace glovebox

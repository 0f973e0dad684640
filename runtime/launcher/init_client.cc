#include "launcher/init_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

// One more than any frame has: without room for it the kernel could not tell us of a second one.
constexpr size_t kDescriptorsMax = 2;
constexpr size_t kFramesPerHeldMax = 4;

// Body size that a kind from init must have; nullopt for kinds that init may not send.
std::optional<size_t> BodySize(FrameKind kind) {
  switch (kind) {
    case FrameKind::kHelloAck:
      return sizeof(HelloBody);
    case FrameKind::kStarted:
      return sizeof(StartedBody);
    case FrameKind::kOutput:
    case FrameKind::kHeld:
    case FrameKind::kHeldAll:
    case FrameKind::kPaused:
      return 0;
    case FrameKind::kStdinAck:
      return sizeof(StdinAckBody);
    case FrameKind::kEnd:
      return sizeof(ExecEnd);
    case FrameKind::kRefused:
      return sizeof(RefusedBody);
    case FrameKind::kSocket:
      return sizeof(SocketBody);
    case FrameKind::kHello:
    case FrameKind::kStart:
    case FrameKind::kStdin:
    case FrameKind::kSignal:
    case FrameKind::kResize:
    case FrameKind::kResume:
    case FrameKind::kAckEnd:
    case FrameKind::kShellCommand:
    case FrameKind::kPause:
    case FrameKind::kContinue:
    case FrameKind::kStartProgram:
    case FrameKind::kOpenSocket:
      return std::nullopt;
  }
  return std::nullopt;
}

// kHeld carries exactly one descriptor, as kSocket does when it tells no error; every other none.
size_t DescriptorsOf(FrameKind kind, absl::string_view body) {
  if (kind != FrameKind::kSocket) return kind == FrameKind::kHeld ? 1 : 0;
  SocketBody socket{};
  std::memcpy(&socket, body.data(), sizeof socket);
  return socket.error == 0 ? 1 : 0;
}

absl::StatusOr<InitFrame> ParseFrame(Packet packet) {
  FrameHeader header{};
  if (packet.bytes.size() < sizeof header) return absl::DataLossError("a frame without a header");
  std::memcpy(&header, packet.bytes.data(), sizeof header);
  const std::optional<size_t> size = BodySize(header.kind);
  const absl::string_view body = absl::string_view(packet.bytes).substr(sizeof header);
  if (header.magic != kFrameMagic || header.flags != 0 || !size.has_value() ||
      header.body_size != *size || body.size() != *size ||
      packet.fds.size() != DescriptorsOf(header.kind, body)) {
    return absl::DataLossError(
        absl::StrCat("a malformed frame of kind ", static_cast<int>(header.kind), ", ",
                     packet.bytes.size(), " bytes, ", packet.fds.size(), " descriptors"));
  }
  InitFrame frame{header.kind, header.exec_no, std::string(body), UniqueFd()};
  if (!packet.fds.empty()) frame.descriptor = std::move(packet.fds[0]);
  return frame;
}

absl::Status CheckVersion(uint32_t version) {
  if (version >= kFramesVersionOldest && version <= kFramesVersion) return absl::OkStatus();
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("the sandbox's init speaks version ", version, " of the frames, this daemon ",
                   kFramesVersionOldest, " to ", kFramesVersion,
                   "; only a daemon of its own release can serve this sandbox"),
      {"INIT_VERSION", {}});
}

absl::Status WaitReadable(int fd, absl::Time deadline) {
  const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
  pollfd entry{fd, POLLIN, 0};
  const int count = left_ms <= 0 ? 0 : ::poll(&entry, 1, static_cast<int>(left_ms));
  if (count < 0 && errno != EINTR) return ErrnoError(errno, "poll");
  if (count == 0) return absl::DeadlineExceededError("the sandbox's init does not answer");
  return absl::OkStatus();
}

}  // namespace

InitClient::InitClient(UniqueFd socket) : socket_(std::move(socket)) {}

absl::StatusOr<std::unique_ptr<InitClient>> InitClient::Connect(const std::string& path,
                                                                const std::vector<int>& counters) {
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
  RETURN_IF_ERROR(client->Send(FrameKind::kHello, 0, BytesOf(hello), counters));
  return client;
}

absl::Status InitClient::Send(FrameKind kind, uint32_t exec_no, absl::string_view body,
                              const std::vector<int>& fds) {
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.kind = kind;
  header.exec_no = exec_no;
  header.body_size = static_cast<uint32_t>(body.size());
  return SendPacket(socket_.get(), absl::StrCat(BytesOf(header), body), fds);
}

absl::StatusOr<std::optional<InitFrame>> InitClient::Receive() {
  constexpr size_t kBytesMax = sizeof(FrameHeader) + kFrameBodyMax;
  absl::StatusOr<Packet> packet = ReceivePacket(socket_.get(), kBytesMax, kDescriptorsMax, -1);
  if (!packet.ok()) {
    if (WouldBlock(packet.status())) return std::nullopt;
    return packet.status();
  }
  if (packet->bytes.empty()) return absl::UnavailableError("init closed its socket");
  ASSIGN_OR_RETURN(InitFrame frame, ParseFrame(*std::move(packet)));
  RETURN_IF_ERROR(FollowReply(frame));
  return frame;
}

// kHelloAck first and once; kHeld only between it and kHeldAll.
absl::Status InitClient::FollowReply(const InitFrame& frame) {
  const bool greets = frame.kind == FrameKind::kHelloAck;
  const bool held = frame.kind == FrameKind::kHeld || frame.kind == FrameKind::kHeldAll;
  if (greets != (reply_ == Reply::kAwaited) || (held && reply_ != Reply::kHeldExecs)) {
    return absl::DataLossError(
        absl::StrCat("a frame of kind ", static_cast<int>(frame.kind), " out of turn"));
  }
  if (greets) {
    const uint32_t version = frame.As<HelloBody>().version;
    RETURN_IF_ERROR(CheckVersion(version));
    version_.store(version, std::memory_order_release);
    reply_ = Reply::kHeldExecs;
  }
  if (frame.kind == FrameKind::kHeldAll) reply_ = Reply::kComplete;
  return absl::OkStatus();
}

absl::StatusOr<HeldExecs> InitClient::CollectHeld(int timeout_ms) {
  const absl::Time deadline = absl::Now() + absl::Milliseconds(timeout_ms);
  HeldExecs held;
  for (;;) {
    ASSIGN_OR_RETURN(std::optional<InitFrame> frame, Receive());
    if (!frame.has_value()) {
      RETURN_IF_ERROR(WaitReadable(socket_.get(), deadline));
      continue;
    }
    if (frame->kind == FrameKind::kHelloAck) continue;
    if (frame->kind == FrameKind::kHeldAll) return held;
    if (frame->kind == FrameKind::kHeld) {
      const auto exec_no = frame->exec_no;
      if (held.regions.size() >= kExecsHeldMax ||
          !held.regions.emplace(exec_no, std::move(frame->descriptor)).second) {
        return absl::DataLossError("init holds too many execs, or one twice");
      }
      continue;
    }
    // At most a start, an acknowledgement, a wish for a reader and an end of each.
    if (!held.regions.contains(frame->exec_no) ||
        held.frames.size() >= kFramesPerHeldMax * held.regions.size()) {
      return absl::DataLossError("frames of an exec that init does not hold, or too many");
    }
    held.frames.push_back(*std::move(frame));
  }
}

}  // namespace glovebox

#include "linux/seqpacket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kFdsMax = 128;  // the kernel takes 253

absl::StatusOr<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return DetailedError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat("socket path ", path, " is longer than ", sizeof address.sun_path - 1,
                     " bytes; use a shorter state directory"),
        {"PATH_TOO_LONG", {{"path", path}}});
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<UniqueFd> MakeSocket() {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoError(errno, "socket AF_UNIX SOCK_SEQPACKET");
  return UniqueFd(fd);
}

absl::Status WaitReadable(int fd, int timeout_ms) {
  pollfd entry{fd, POLLIN, 0};
  for (;;) {
    const int count = ::poll(&entry, 1, timeout_ms);
    if (count > 0) return absl::OkStatus();
    if (count == 0) return absl::DeadlineExceededError("no message in time");
    if (errno != EINTR) return ErrnoError(errno, "poll");
  }
}

void TakeDescriptors(msghdr* message, std::vector<UniqueFd>* fds) {
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds->emplace_back(fd);
    }
  }
}

}  // namespace

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeSeqpacketPair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    return ErrnoError(errno, "socketpair");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

absl::StatusOr<UniqueFd> ListenSeqpacket(const std::string& path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  ASSIGN_OR_RETURN(UniqueFd fd, MakeSocket());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, absl::StrCat("unlink ", path));
  }
  // The mode of a bound socket file is that of the socket's inode less the umask; set before
  // anybody can connect.
  if (::fchmod(fd.get(), 0600) != 0) return ErrnoError(errno, "fchmod socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoError(errno, absl::StrCat("bind ", path));
  }
  if (::listen(fd.get(), 4) != 0) return ErrnoError(errno, absl::StrCat("listen ", path));
  return fd;
}

absl::StatusOr<UniqueFd> ConnectSeqpacket(const std::string& path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  ASSIGN_OR_RETURN(UniqueFd fd, MakeSocket());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoError(errno, absl::StrCat("connect ", path));
  }
  return fd;
}

bool WouldBlock(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == "WOULD_BLOCK";
}

absl::Status SendPacket(int fd, absl::string_view bytes, const std::vector<int>& fds) {
  if (fds.size() > kFdsMax) return absl::InternalError("too many descriptors in one message");
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsMax * sizeof(int))];
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  for (;;) {
    if (::sendmsg(fd, &message, MSG_NOSIGNAL) >= 0) return absl::OkStatus();
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      return DetailedError(absl::StatusCode::kUnavailable, "the socket is full",
                           {"WOULD_BLOCK", {}});
    }
    return ErrnoError(errno, "sendmsg");
  }
}

absl::StatusOr<Packet> ReceivePacket(int fd, size_t bytes_max, size_t fds_max, int timeout_ms) {
  if (fds_max > kFdsMax) return absl::InternalError("too many descriptors asked for");
  if (timeout_ms >= 0) RETURN_IF_ERROR(WaitReadable(fd, timeout_ms));
  Packet packet;
  packet.bytes.resize(bytes_max);
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsMax * sizeof(int))];
  iovec part{packet.bytes.data(), packet.bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  // CMSG_LEN, not CMSG_SPACE: the padding of an odd count would hold one descriptor more.
  message.msg_controllen = fds_max == 0 ? 0 : CMSG_LEN(fds_max * sizeof(int));
  ssize_t count = -1;
  do {
    count = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    // ECONNRESET: the peer closed with messages of ours unread. It is said once, ahead of what the
    // peer itself had sent.
  } while (count < 0 && (errno == EINTR || errno == ECONNRESET));
  if (count < 0 && errno == EAGAIN) {
    return DetailedError(absl::StatusCode::kUnavailable, "no message", {"WOULD_BLOCK", {}});
  }
  if (count < 0) return ErrnoError(errno, "recvmsg");
  TakeDescriptors(&message, &packet.fds);
  // Fewer than there was room for: the kernel found no number for the next one.
  if ((message.msg_flags & MSG_CTRUNC) != 0 && packet.fds.size() < fds_max) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         "no descriptor is left for those of a message; raise RLIMIT_NOFILE",
                         {"DESCRIPTORS_EXHAUSTED", {}});
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::DataLossError("a message is longer, or carries more descriptors, than allowed");
  }
  packet.bytes.resize(static_cast<size_t>(count));
  return packet;
}

}  // namespace glovebox

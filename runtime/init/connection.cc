#include "init/connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr unsigned kOverflowUid = 65534;

bool IsDaemon(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  long result = raw::Call(__NR_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return result >= 0 && peer.uid == kOverflowUid && peer.pid == 0;
}

// Owns every descriptor of the message; false when there are more than a frame may carry.
bool TakeDescriptors(msghdr* message, ReceivedFrame* frame) {
  bool fits = (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      __builtin_memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      UniqueFd owned(fd);
      if (frame->fd_count == kFrameFdsMax) {
        fits = false;
      } else {
        frame->fds[frame->fd_count++] = static_cast<UniqueFd&&>(owned);
      }
    }
  }
  return fits;
}

}  // namespace

bool Connection::Accept(int listen_fd) {
  long fd = raw::Call(__NR_accept4, listen_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return false;
  UniqueFd accepted(static_cast<int>(fd));
  if (!IsDaemon(accepted.get())) return false;
  fd_ = static_cast<UniqueFd&&>(accepted);
  return true;
}

ReceiveResult Connection::Receive(ReceivedFrame* frame) {
  for (UniqueFd& fd : frame->fds) fd.Reset();
  frame->fd_count = 0;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFrameFdsMax)];
  iovec parts[2] = {{&frame->header, sizeof(frame->header)}, {frame->body, kFrameBodyMax}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  // A peer that closed while it had frames of ours unread is reported once, ahead of what it had
  // sent itself.
  long size;
  do {
    size = raw::Call(__NR_recvmsg, fd_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (size == -ECONNRESET);
  if (size == -EAGAIN || size == -EINTR) return ReceiveResult::kNothing;
  if (size <= 0) return ReceiveResult::kBroken;
  bool fits = TakeDescriptors(&message, frame);
  const FrameHeader& header = frame->header;
  if (!fits || size < static_cast<long>(sizeof(header)) || header.magic != kFrameMagic ||
      header.flags != 0 || header.body_size > kFrameBodyMax ||
      size != static_cast<long>(sizeof(header) + header.body_size)) {
    return ReceiveResult::kBroken;
  }
  return ReceiveResult::kFrame;
}

bool Connection::Send(FrameKind kind, uint32_t exec_no, const void* body, uint32_t size,
                      int descriptor, bool* refused) {
  FrameHeader header{kFrameMagic, kind, 0, exec_no, size};
  iovec parts[2] = {{&header, sizeof(header)}, {const_cast<void*>(body), size}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = size > 0 ? 2 : 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    __builtin_memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
  }
  long sent = raw::Call(__NR_sendmsg, fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0 || sent == -EPIPE || sent == -ECONNRESET) return true;
  if (sent == -ETOOMANYREFS && refused != nullptr) {
    *refused = true;
    return false;
  }
  if (sent != -EAGAIN && sent != -EINTR) Drop();
  return false;
}

}  // namespace glovebox

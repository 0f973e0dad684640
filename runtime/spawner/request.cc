#include "spawner/request.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr SetupStep kStep = SetupStep::kReceiveRequest;
constexpr uint64_t kIdMax = 0xfffffffe;  // (uid_t)-1 is no id

const char* CheckIds(const SpawnRequest& wire) {
  if (wire.host_id_first == 0) return "host id 0 is never mapped";
  if (wire.id_count == 0 || uint64_t{wire.host_id_first} + wire.id_count - 1 > kIdMax) {
    return "id range";
  }
  for (uint32_t i = 0; i < wire.bind_count; ++i) {
    const MountHandling& bind = wire.binds[i];
    switch (bind.id_map) {
      case IdMapKind::kSandbox:
      case IdMapKind::kNone:
        break;
      case IdMapKind::kOwner:
        if (bind.inner_uid >= wire.id_count || bind.inner_gid >= wire.id_count) {
          return "inner id of a bind is outside the range";
        }
        break;
      default:
        return "id map kind of a bind";
    }
  }
  return nullptr;
}

}  // namespace

ReceivedRequest::~ReceivedRequest() {
  for (uint32_t i = 0; i < fd_count_; ++i) (void)raw::Close(fds_[i]);  // frees the number anyhow
}

bool ReceivedRequest::Receive(int socket_fd, SpawnFailure* failure) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kSpawnFdsMax)];
  iovec part{&wire_, sizeof(wire_)};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  long size;
  do {
    size = raw::Call(__NR_recvmsg, socket_fd, &message, MSG_CMSG_CLOEXEC);
  } while (size == -EINTR);
  if (size <= 0) return false;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && fd_count_ < kSpawnFdsMax; ++i) {
      __builtin_memcpy(&fds_[fd_count_++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
  }
  bool truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  (void)Check(static_cast<size_t>(size), truncated, failure);  // told by `failure`
  return true;
}

uint32_t ReceivedRequest::FdsExpected() const {
  if (wire_.kind == SpawnRequestKind::kAnotherSpawner) return 1;
  return 4 + wire_.layer_count + wire_.bind_count + wire_.cache_layer_count + wire_.tasks_count +
         wire_.has_cgroup2;
}

bool ReceivedRequest::Check(size_t size, bool truncated, SpawnFailure* failure) const {
  auto refuse = [failure](const char* why) { return Succeeded(-EINVAL, kStep, why, failure); };
  if (truncated) return refuse("truncated message or descriptors");
  if (size != sizeof(wire_) || wire_.magic != kSpawnMagic) return refuse("magic or size");
  if (wire_.request_id == 0) return refuse("request id 0");
  if (wire_.layer_count > kLayersMax || wire_.bind_count > kBindsMax ||
      wire_.cache_layer_count > kCacheLayersMax || wire_.tasks_count > kCgroupTasksMax ||
      wire_.has_cgroup2 > 1) {
    return refuse("a count is over its limit");
  }
  if (fd_count_ != FdsExpected()) return refuse("number of descriptors");
  switch (wire_.kind) {
    case SpawnRequestKind::kAnotherSpawner:
      return true;
    case SpawnRequestKind::kSandbox:
      break;
    default:
      return refuse("kind of request");
  }
  const char* ids = CheckIds(wire_);
  return ids == nullptr || refuse(ids);
}

bool SendReply(int socket_fd, uint32_t request_id, const SpawnFailure& failure, int host_pid,
               int pidfd) {
  SpawnReply reply{};
  reply.magic = kSpawnMagic;
  reply.request_id = request_id;
  reply.step = failure.step;
  reply.error = failure.error;
  reply.host_pid = host_pid;
  CopyText(reply.detail, failure.detail);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{&reply, sizeof(reply)};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (pidfd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    __builtin_memcpy(CMSG_DATA(header), &pidfd, sizeof(int));
  }
  long sent;
  do {
    sent = raw::Call(__NR_sendmsg, socket_fd, &message, MSG_NOSIGNAL);
  } while (sent == -EINTR);
  return sent == static_cast<long>(sizeof(reply));
}

}  // namespace glovebox

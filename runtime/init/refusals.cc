#include "init/refusals.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <new>

#include "init/report.h"
#include "linux/raw_syscalls.h"

// Linux 5.19 and 6.6; older headers lack the names.
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

namespace glovebox {
namespace {

constexpr uint32_t kCommandFilter = 1;  // plan.filters
constexpr uint32_t kErrnoMask = 0xffff;

long Install(const PlanReader& plan, const PlanFilter& filter, unsigned long flags) {
  sock_fprog program{
      static_cast<unsigned short>(filter.count),
      const_cast<sock_filter*>(static_cast<const sock_filter*>(plan.Filter(filter)))};
  return raw::Call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

// One descriptor in one message of one byte.
union OneDescriptor {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr align;
};

long SendDescriptor(int socket, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  OneDescriptor control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  __builtin_memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  return raw::Call(__NR_sendmsg, socket, &message, MSG_NOSIGNAL);
}

UniqueFd ReceiveDescriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  OneDescriptor control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  if (raw::Call(__NR_recvmsg, socket, &message, MSG_CMSG_CLOEXEC) != 1) return UniqueFd();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return UniqueFd();
  int fd = -1;
  __builtin_memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return UniqueFd(fd);
}

// Runs the plan's answers, which are of the instructions that the launcher's compiler has. Anything
// else ends with 0, no answer.
uint32_t RunAnswers(const PlanReader& plan, const seccomp_data& call) {
  const PlanFilter& answers = plan.plan().answers;
  const auto* program = static_cast<const sock_filter*>(plan.Filter(answers));
  uint32_t accumulator = 0;
  // Jumps go forward only.
  for (uint64_t at = 0; at < answers.count; ++at) {
    const sock_filter& step = program[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (step.k % sizeof(uint32_t) != 0 || step.k > sizeof(call) - sizeof(uint32_t)) return 0;
        __builtin_memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k,
                         sizeof(accumulator));
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        break;
      case BPF_JMP | BPF_JA:
        at += step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += accumulator == step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += accumulator >= step.k ? step.jt : step.jf;
        break;
      case BPF_RET | BPF_K:
        return step.k;
      default:
        return 0;
    }
  }
  return 0;
}

void Count(ExecEnd* end, const seccomp_data& call, uint32_t answer) {
  auto number = static_cast<uint32_t>(call.nr);
  for (uint32_t i = 0; i < end->denial_count; ++i) {
    ExecDenial& denial = end->denials[i];
    if (denial.number != number || denial.arch != call.arch || denial.answer != answer) continue;
    if (denial.count != ~0u) ++denial.count;
    return;
  }
  if (end->denial_count == kDenialsMax) {
    ++end->denials_uncounted;
    return;
  }
  ExecDenial& denial = end->denials[end->denial_count++];
  denial = {number, call.arch, answer, 1, {}};
  // Of a call that is refused whatever its arguments, they are nobody's business (addresses).
  if (answer >> kDenialRuleShift == 0) return;
  for (int i = 0; i < 3; ++i) denial.arguments[i] = static_cast<uint32_t>(call.args[i]);
}

}  // namespace

long Refusals::Open() {
  int ends[2];
  long result =
      raw::Call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
  if (result < 0) return result;
  sender_.Reset(ends[0]);
  receiver_.Reset(ends[1]);
  return 0;
}

void Refusals::Take(uint32_t exec_no, EventSet* events) {
  if (!receiver_.valid()) return;
  UniqueFd fd = ReceiveDescriptor(receiver_.get());
  if (!fd.valid()) return;
  uint32_t slot = 0;
  while (slot < made_ && at(slot).fd.valid()) ++slot;
  if (slot == kListenersMax) return;  // closed: refused calls get ENOSYS
  if (slot == made_) ::new (&at(made_++)) RefusalListener();
  // The caller waits on this CPU, so it is woken here; Linux before 6.6 does without.
  (void)raw::Ioctl(fd.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  if (events->Add(fd.get(), EPOLLIN, EventSource::kRefusal, slot) < 0) return;
  at(slot).fd = static_cast<UniqueFd&&>(fd);
  at(slot).exec_no = exec_no;
}

void Refusals::Handle(const PlanReader& plan, uint32_t slot, uint32_t ready, ExecTable* table) {
  RefusalListener& listener = at(slot);
  if (!listener.fd.valid()) return;  // closed in this round
  if ((ready & EPOLLIN) == 0) {
    listener.fd.Reset();  // nobody is left who could make a call
    return;
  }
  seccomp_notif told{};
  // Does not wait: it is the only reader, and a call was there. One that was killed since is
  // ENOENT.
  if (raw::Ioctl(listener.fd.get(), SECCOMP_IOCTL_NOTIF_RECV, &told) < 0) return;
  uint32_t answer = RunAnswers(plan, told.data);
  if (Exec* exec = table->Find(listener.exec_no); exec != nullptr) {
    Count(&exec->end, told.data, answer);
  }
  seccomp_notif_resp response{};
  response.id = told.id;
  uint32_t error = answer & kErrnoMask;
  response.error = error == 0 ? -EPERM : -static_cast<int>(error);
  (void)raw::Ioctl(listener.fd.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);  // it may be gone
}

long InstallCommandFilter(const PlanReader& plan, int sender) {
  if (plan.plan().filter_count <= kCommandFilter) return 0;
  const PlanFilter& filter = plan.plan().filters[kCommandFilter];
  if (plan.plan().answers.count == 0) return Install(plan, filter, 0);
  long fd = Install(plan, filter,
                    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (fd == -EINVAL) fd = Install(plan, filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  if (fd < 0) return fd;
  // A command may have as many descriptors under way as its limit says, so that this fails. Then
  // refused calls get ENOSYS and are not told.
  (void)SendDescriptor(sender, static_cast<int>(fd));
  return raw::Close(static_cast<int>(fd));
}

void InstallInitFilter(const PlanReader& plan) {
  if (plan.plan().filter_count == 0) return;
  Require(Install(plan, plan.plan().filters[0], 0), SetupStep::kFilter, "seccomp");
}

}  // namespace glovebox

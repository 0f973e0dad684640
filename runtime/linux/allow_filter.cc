#include "linux/allow_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <iterator>
#include <set>

#include "base/status.h"

namespace glovebox {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kRunningMax = 255;  // a jump's reach, in instructions

sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter Return(uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
sock_filter JumpIfEqual(uint32_t value, size_t then, size_t otherwise) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, static_cast<uint8_t>(then),
                  static_cast<uint8_t>(otherwise));
}

// Of calls with one number there are at most two.
static_assert((sizeof(seccomp_data::args) / sizeof(uint64_t) * 3 + 1) * 2 + 1 <= kRunningMax);

// Whether the arguments are the call's; else what follows.
std::vector<sock_filter> Judge(const AllowedCall& call) {
  std::vector<sock_filter> judge = {Return(SECCOMP_RET_ALLOW)};
  for (auto argument = call.arguments.rbegin(); argument != call.arguments.rend(); ++argument) {
    // x86-64 is little-endian: the low half comes first.
    const sock_filter look[] = {
        Load(offsetof(seccomp_data, args) + argument->index * sizeof(uint64_t)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, argument->mask),
        JumpIfEqual(argument->value, 0, judge.size())};
    judge.insert(judge.begin(), std::begin(look), std::end(look));
  }
  return judge;
}

// What follows when the number is that.
std::vector<sock_filter> JudgeAll(uint32_t number, const std::vector<AllowedCall>& calls) {
  std::vector<sock_filter> judges;
  for (const AllowedCall& call : calls) {
    if (call.number != number) continue;
    const std::vector<sock_filter> judge = Judge(call);
    judges.insert(judges.end(), judge.begin(), judge.end());
  }
  judges.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  return judges;
}

}  // namespace

std::vector<AllowedCall> WithCallsOfEveryProcess(std::vector<AllowedCall> calls) {
  const std::vector<AllowedCall> every = {
      ALLOWED_CALL(brk, "memory"),
      ALLOWED_CALL(mmap, "memory, never of a file, never executable", {2, PROT_EXEC, 0},
                   {3, MAP_ANONYMOUS, MAP_ANONYMOUS}),
      ALLOWED_CALL(munmap, "memory"),
      ALLOWED_CALL(mremap, "memory"),
      ALLOWED_CALL(madvise, "memory given back"),
      ALLOWED_CALL(mprotect, "the allocator; never executable", {2, PROT_EXEC, 0}),
      ALLOWED_CALL(futex, "locks"),
      ALLOWED_CALL(getrandom, "keys, and hash tables"),
      ALLOWED_CALL(clock_gettime, "where the vDSO cannot answer"),
      ALLOWED_CALL(gettimeofday, "the same"),
      ALLOWED_CALL(rt_sigreturn, "after a signal that stops and continues"),
      ALLOWED_CALL(restart_syscall, "the same"),
      ALLOWED_CALL(exit_group, "the end"),
  };
  calls.insert(calls.end(), every.begin(), every.end());
  return calls;
}

std::vector<sock_filter> AllowFilter(const std::vector<AllowedCall>& calls) {
  std::vector<sock_filter> program = {
      Load(offsetof(seccomp_data, arch)),
      JumpIfEqual(AUDIT_ARCH_X86_64, 1, 0),
      Return(SECCOMP_RET_KILL_PROCESS),
      Load(offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1),
      Return(SECCOMP_RET_KILL_PROCESS),
  };
  std::set<uint32_t> judged;
  for (const AllowedCall& call : calls) {
    if (!judged.insert(call.number).second) continue;
    const std::vector<sock_filter> judges = JudgeAll(call.number, calls);
    program.push_back(JumpIfEqual(call.number, 0, judges.size()));
    program.insert(program.end(), judges.begin(), judges.end());
  }
  program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  return program;
}

absl::Status LoadAllowFilter(const std::vector<AllowedCall>& calls) {
  std::vector<sock_filter> program = AllowFilter(calls);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
    return ErrnoError(errno, "seccomp(SECCOMP_SET_MODE_FILTER)");
  }
  return absl::OkStatus();
}

}  // namespace glovebox

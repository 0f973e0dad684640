// Filters of system calls for confined processes of ours: an allow list as data, and the seccomp
// program made of it.
#ifndef GLOVEBOX_LINUX_ALLOW_FILTER_H_
#define GLOVEBOX_LINUX_ALLOW_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace glovebox {

inline constexpr uint32_t kWholeArgument = ~uint32_t{0};

// The low 32 bits of an argument (the kernel takes an int of the rest of none of these), masked.
struct AllowedArgument {
  uint32_t index;
  uint32_t mask;
  uint32_t value;
};

struct AllowedCall {
  uint32_t number;  // x86-64
  const char* name;
  const char* why;
  std::vector<AllowedArgument> arguments;  // all have to match
};

// An AllowedCall: ALLOWED_CALL(name, why, {argument, mask, value}...). For <sys/syscall.h>.
#define ALLOWED_CALL(name, why, ...)         \
  {                                          \
    __NR_##name, #name, why, { __VA_ARGS__ } \
  }

// Behind `calls` those of every such process: memory that is neither of a file nor executable,
// locks, random bytes, time, and its end.
std::vector<AllowedCall> WithCallsOfEveryProcess(std::vector<AllowedCall> calls);

// Anything else, and any call of another architecture, ends the process: none of it is a mistake
// that a user makes, and whoever took the process over does not try twice. Of several with one
// number any lets a call pass.
std::vector<sock_filter> AllowFilter(const std::vector<AllowedCall>& calls);

// For this thread and what it starts, for ever. Needs no_new_privs.
absl::Status LoadAllowFilter(const std::vector<AllowedCall>& calls);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_ALLOW_FILTER_H_

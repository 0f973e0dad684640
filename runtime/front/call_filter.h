// The system calls of glovebox-front, and no other: data, and the seccomp program made of it.
#ifndef GLOVEBOX_FRONT_CALL_FILTER_H_
#define GLOVEBOX_FRONT_CALL_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace glovebox {

// The low 32 bits of an argument (the kernel takes an int of the rest of none of these), masked.
struct FrontArgument {
  uint32_t index;
  uint32_t mask;
  uint32_t value;
};

struct FrontCall {
  uint32_t number;  // x86-64
  const char* name;
  const char* why;
  std::vector<FrontArgument> arguments;  // all have to match
};
const std::vector<FrontCall>& FrontCalls();

// Anything else, and any call of another architecture, ends the process: none of it is a mistake
// that a user makes, and whoever took the front over does not try twice.
std::vector<sock_filter> FrontFilter();

// For this thread and what it starts, for ever. Needs no_new_privs.
absl::Status LoadFrontFilter();

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_CALL_FILTER_H_

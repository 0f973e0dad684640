// A persistent shell as init knows it: the socket over which it gets commands and tells their
// statuses, and the command that runs.
#ifndef GLOVEBOX_INIT_SHELL_CONTROL_H_
#define GLOVEBOX_INIT_SHELL_CONTROL_H_

#include <cstdint>

#include "base/unique_fd.h"
#include "init/frames.h"
#include "init/region_writer.h"

namespace glovebox {

enum class ShellStage : uint8_t {
  kIdle,      // waits for kShellCommand
  kStarting,  // a command was taken; its start is not recorded yet
  kRunning,   // the shell has it, or gets it
  kEnding,    // its status is known; what it wrote is still in the pipes, or its end not recorded
};

enum class ShellLimitStep : uint8_t { kTerminate, kKill, kGiveUp };

struct ShellControl {
  UniqueFd fd;  // valid: the exec is a persistent shell that may take commands
  ShellStage stage = ShellStage::kIdle;
  ShellLimitStep next_step = ShellLimitStep::kTerminate;
  bool timed_out = false;
  uint32_t slot = 0;
  uint32_t status = 0;  // of the digits that came, until the newline
  uint32_t status_digits = 0;
  const char* input = nullptr;  // mapped while the shell has not taken all of it
  uint64_t input_size = 0;      // of the mapping
  uint64_t input_written = 0;
  uint64_t drain_to[2] = {0, 0};  // kEnding: bytes_total at which all that it wrote was read
  int64_t grace_ns = 0;
  int64_t deadline_ns = 0;  // of next_step; 0: none
  int64_t wall_limit_ns = 0;
  int64_t take_by_ns = 0;  // by when the shell must have taken a command whose limit has passed
  RegionWriter::ShellNews news;  // of the latest command
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_SHELL_CONTROL_H_

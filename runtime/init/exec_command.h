// The command of one exec, read from the spec's bytes: argument and environment vectors, user, cwd.
#ifndef GLOVEBOX_INIT_EXEC_COMMAND_H_
#define GLOVEBOX_INIT_EXEC_COMMAND_H_

#include <cstdint>

#include "init/exec_region.h"
#include "init/plan_reader.h"
#include "init/users.h"
#include "linux/bare_text.h"

namespace glovebox {

// Memory for one spec and its vectors; large ones are mapped, and unmapped with the object.
class CommandMemory {
 public:
  CommandMemory() = default;
  CommandMemory(const CommandMemory&) = delete;
  CommandMemory& operator=(const CommandMemory&) = delete;
  ~CommandMemory();
  char* Take(uint64_t size);  // null when there is no memory; once per object

 private:
  alignas(16) char small_[16 * 1024];
  char* mapped_ = nullptr;
  uint64_t mapped_size_ = 0;
};

struct Command {
  ExecSpecWire wire{};
  UserAccount account;
  const char* cwd = nullptr;
  const char** argv = nullptr;
  const char** envp = nullptr;

  // Where they point to, beside the spec and the plan.
  TextBuffer<300> home_variable;
  TextBuffer<80> user_variable;
  TextBuffer<80> logname_variable;
};

struct CommandError {
  ExecStep step = ExecStep::kNone;
  int error = 0;
};

// Copies the spec out of the region (the daemon might write to it again) and reads it.
CommandError ReadCommand(const PlanReader& plan, const char* spec, uint64_t spec_size,
                         CommandMemory* memory, Command* command);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_EXEC_COMMAND_H_

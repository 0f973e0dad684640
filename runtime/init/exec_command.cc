#include "init/exec_command.h"

#include <errno.h>
#include <sys/mman.h>

#include "init/exec_limits.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

// The next NUL-terminated text of [*at, end), or null.
const char* NextText(const char** at, const char* end) {
  const char* text = *at;
  auto room = static_cast<size_t>(end - text);
  size_t size = FindChar(text, room, 0);
  if (size == room) return nullptr;
  *at = text + size + 1;
  return text;
}

bool SpecFits(const ExecSpecWire& wire, uint64_t spec_size) {
  return wire.size == spec_size && wire.argument_count >= 1 && wire.argument_count < spec_size &&
         wire.variable_count <= kVariablesMax && wire.terminal <= 1 && wire.shell <= 1 &&
         wire.shell + wire.terminal <= 1 && wire.keep_survivors <= 1 &&
         wire.replace_environment <= 1 &&
         (wire.stdin_mode == StdinMode::kNull || wire.stdin_mode == StdinMode::kPipe) &&
         (wire.output_policy == OutputPolicy::kDropOldest ||
          wire.output_policy == OutputPolicy::kBackPressure);
}

// An environment in which a later value of a name replaces the earlier one in its place: getenv
// takes the first it finds.
class EnvironmentBuilder {
 public:
  explicit EnvironmentBuilder(const char** list) : list_(list) {}

  bool Add(const char* variable) {
    size_t size = TextSize(variable);
    size_t name_size = FindChar(variable, size, '=');
    if (name_size == 0 || name_size == size) return false;
    for (uint32_t i = 0; i < count_; ++i) {
      if (SameName(list_[i], variable)) {
        list_[i] = variable;
        return true;
      }
    }
    list_[count_++] = variable;
    return true;
  }
  void Finish() { list_[count_] = nullptr; }

 private:
  static bool SameName(const char* a, const char* b) {
    while (*a == *b && *a != '=') ++a, ++b;
    return *a == *b;
  }
  const char** list_;
  uint32_t count_ = 0;
};

bool AddPlanVariables(const PlanReader& plan, EnvironmentBuilder* environment) {
  const PlanText& text = plan.plan().environment;
  const char* at = plan.Text(text);
  const char* end = at + text.size;
  while (at < end) {
    const char* variable = NextText(&at, end);
    if (variable == nullptr || !environment->Add(variable)) return false;
  }
  return true;
}

uint64_t CountPlanVariables(const PlanReader& plan) {
  const PlanText& text = plan.plan().environment;
  uint64_t count = 0;
  for (uint32_t i = 0; i < text.size; ++i) count += plan.Text(text)[i] == 0 ? 1 : 0;
  return count;
}

bool BuildEnvironment(const PlanReader& plan, const char* variables, const char* end,
                      Command* command) {
  EnvironmentBuilder environment(command->envp);
  if (command->wire.replace_environment == 0) {
    if (!AddPlanVariables(plan, &environment)) return false;
    const UserAccount& account = command->account;
    environment.Add(command->home_variable.Add("HOME=").Add(account.home).text());
    if (account.name[0] != 0) {
      environment.Add(command->user_variable.Add("USER=").Add(account.name).text());
      environment.Add(command->logname_variable.Add("LOGNAME=").Add(account.name).text());
    }
    if (command->wire.terminal != 0) environment.Add("TERM=xterm-256color");
  }
  for (uint32_t i = 0; i < command->wire.variable_count; ++i) {
    const char* variable = NextText(&variables, end);
    if (variable == nullptr || !environment.Add(variable)) return false;
  }
  environment.Finish();
  return variables == end;
}

}  // namespace

CommandMemory::~CommandMemory() {
  if (mapped_ != nullptr) (void)raw::Call(__NR_munmap, mapped_, mapped_size_);
}

char* CommandMemory::Take(uint64_t size) {
  if (size <= sizeof(small_)) return small_;
  long address = raw::Call(__NR_mmap, nullptr, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0 && address > -4096) return nullptr;
  mapped_ = reinterpret_cast<char*>(address);
  mapped_size_ = size;
  return mapped_;
}

CommandError ReadCommand(const PlanReader& plan, const char* spec, uint64_t spec_size,
                         CommandMemory* memory, Command* command) {
  CommandError bad_spec{ExecStep::kReadSpec, EINVAL};
  ExecSpecWire& wire = command->wire;
  if (spec_size < sizeof(wire)) return bad_spec;
  __builtin_memcpy(&wire, spec, sizeof(wire));
  if (!SpecFits(wire, spec_size)) return bad_spec;
  constexpr uint64_t kOwnVariables = 4;  // HOME USER LOGNAME TERM
  uint64_t texts_size = spec_size - sizeof(wire);
  uint64_t pointers = uint64_t{wire.argument_count} + 1 + wire.variable_count + kOwnVariables +
                      CountPlanVariables(plan) + 1;
  char* block = memory->Take(pointers * sizeof(char*) + texts_size);
  if (block == nullptr) return {ExecStep::kReadSpec, ENOMEM};
  command->argv = reinterpret_cast<const char**>(block);
  command->envp = command->argv + wire.argument_count + 1;
  char* texts = block + pointers * sizeof(char*);
  __builtin_memcpy(texts, spec + sizeof(wire), texts_size);
  const char* at = texts;
  const char* end = texts + texts_size;
  const char* user = NextText(&at, end);
  command->cwd = user == nullptr ? nullptr : NextText(&at, end);
  if (command->cwd == nullptr) return bad_spec;
  for (uint32_t i = 0; i < wire.argument_count; ++i) {
    command->argv[i] = NextText(&at, end);
    if (command->argv[i] == nullptr) return bad_spec;
  }
  command->argv[wire.argument_count] = nullptr;
  if (command->argv[0][0] == 0) return {ExecStep::kExecve, ENOENT};
  long resolved = ResolveUser(plan.plan(), user, &command->account);
  if (resolved < 0) return {ExecStep::kUser, static_cast<int>(-resolved)};
  if (!BuildEnvironment(plan, at, end, command)) return bad_spec;
  if (*command->cwd == 0) command->cwd = plan.Text(plan.plan().workdir);
  if (*command->cwd == 0) command->cwd = "/";
  if (*command->cwd != '/') return {ExecStep::kWorkingDirectory, EINVAL};
  return {};
}

}  // namespace glovebox

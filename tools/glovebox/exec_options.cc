#include "tools/glovebox/exec_options.h"

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {

void AddExecOptions(CLI::App& verb, ExecOptions& options) {
  verb.add_flag("-i,--interactive", options.interactive, "Give our standard input to the command");
  verb.add_flag("-t,--tty", options.terminal, "Give the command a terminal");
  verb.add_option("-e,--env", options.environment, "Environment variable; may be repeated")
      ->type_name("K=V")
      ->expected(1)
      ->take_all();
  verb.add_option("-w,--workdir", options.working_directory,
                  "Directory to start in (/workspace when there is a repository)")
      ->type_name("DIR");
  verb.add_option("-u,--user", options.user, "Name, UID or UID:GID inside (agent)")
      ->type_name("USER");
  verb.add_option("--timeout", options.timeout,
                  "End the command after so long, e.g. 10s or 1m30s; exit code 124")
      ->type_name("TIME");
}

absl::StatusOr<v1::ExecSpec> BuildExecSpec(const ExecOptions& options,
                                           const std::vector<std::string>& command,
                                           WindowSize window, const char* term) {
  if (command.empty()) {
    return absl::InvalidArgumentError("no command: put it behind \"--\", e.g. -- make test");
  }
  v1::ExecSpec spec;
  for (const std::string& argument : command) spec.add_arguments(argument);
  for (const std::string& variable : options.environment) {
    const size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--env \"", EscapeForPeople(variable, 80), "\" is not NAME=VALUE"));
    }
    (*spec.mutable_environment())[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  spec.set_working_directory(options.working_directory);
  spec.set_user(options.user);
  if (options.terminal) {
    spec.mutable_terminal()->set_rows(window.rows);
    spec.mutable_terminal()->set_columns(window.columns);
    if (term != nullptr) spec.mutable_environment()->insert({"TERM", term});
  } else if (options.interactive) {
    spec.set_stdin_mode(v1::STDIN_MODE_PIPE);
  }
  if (!options.timeout.empty()) {
    ASSIGN_OR_RETURN(const absl::Duration limit, ParseTimeout(options.timeout));
    auto* wall = spec.mutable_limits()->mutable_wall_time();
    wall->set_seconds(absl::ToInt64Seconds(limit));
    wall->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(limit % absl::Seconds(1))));
  }
  return spec;
}

std::optional<absl::Duration> WallLimit(const v1::ExecSpec& spec) {
  if (!spec.limits().has_wall_time()) return std::nullopt;
  return absl::Seconds(spec.limits().wall_time().seconds()) +
         absl::Nanoseconds(spec.limits().wall_time().nanos());
}

}  // namespace glovebox

#include "tools/glovebox/exec_options.h"

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {

void AddExecOptions(Verb verb, ExecOptions& options) {
  verb.AddFlag("-i,--interactive", options.interactive, "Give our standard input to the command");
  verb.AddFlag("-t,--tty", options.terminal, "Give the command a terminal");
  verb.AddOption("-e,--env", options.environment, "Environment variable; may be repeated")
      .TypeName("K=V")
      .Repeated();
  verb.AddOption("-w,--workdir", options.working_directory,
                 "Directory to start in (/workspace when there is a repository)")
      .TypeName("DIR");
  verb.AddOption("-u,--user", options.user, "Name, UID or UID:GID inside (agent)").TypeName("USER");
  verb.AddOption("--timeout", options.timeout,
                 "End the command after so long, e.g. 10s or 1m30s; exit code 124")
      .TypeName("TIME");
  verb.AddFlagOrValue("--full-log", options.full_log,
                      "Keep all output on the sandbox's disk, or at most so much: --full-log=2G");
  verb.AddFlag("--changes", options.changes,
               "List on stderr which files below the workdir are not as before the command");
  AddReconnectOptions(verb, options.reconnect);
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
  spec.set_track_changes(options.changes);
  if (options.terminal) {
    spec.mutable_terminal()->set_rows(window.rows);
    spec.mutable_terminal()->set_columns(window.columns);
    if (term != nullptr) spec.mutable_environment()->insert({"TERM", term});
  } else if (options.interactive) {
    spec.set_stdin_mode(v1::STDIN_MODE_PIPE);
  }
  if (options.full_log == "true") {
    spec.mutable_full_log();
  } else if (!options.full_log.empty()) {
    ASSIGN_OR_RETURN(const uint64_t bytes, ParseSize(options.full_log));
    spec.mutable_full_log()->set_limit_bytes(bytes);
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

#include "service/convert_exec.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/convert_time.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

absl::Status SetMillis(bool present, const google::protobuf::Duration& duration, uint32_t least_ms,
                       absl::string_view field, uint32_t* millis) {
  if (!present) return absl::OkStatus();
  ASSIGN_OR_RETURN(*millis, MillisFromProto(duration, least_ms, field));
  return absl::OkStatus();
}

absl::Status SetLimits(const v1::ExecLimits& limits, ExecSpec* spec) {
  RETURN_IF_ERROR(SetMillis(limits.has_wall_time(), limits.wall_time(), 1, "spec.limits.wall_time",
                            &spec->wall_limit_ms));
  RETURN_IF_ERROR(SetMillis(limits.has_idle_time(), limits.idle_time(), 1, "spec.limits.idle_time",
                            &spec->idle_limit_ms));
  RETURN_IF_ERROR(SetMillis(limits.has_term_grace(), limits.term_grace(), 0,
                            "spec.limits.term_grace", &spec->term_grace_ms));
  RETURN_IF_ERROR(
      SetMillis(limits.has_drain(), limits.drain(), 0, "spec.limits.drain", &spec->drain_limit_ms));
  if (limits.has_output_bytes()) {
    if (limits.output_bytes() == 0) {
      return FieldError("spec.limits.output_bytes", "must not be 0; leave it out for no limit");
    }
    spec->output_bytes_max = limits.output_bytes();
  }
  return absl::OkStatus();
}

// Values that came over the wire may be ones that this release does not know.
absl::Status SetModes(const v1::ExecSpec& proto, ExecSpec* spec) {
  if (!v1::StdinMode_IsValid(proto.stdin_mode())) return FieldNotServed("spec.stdin_mode");
  if (!v1::OutputPolicy_IsValid(proto.output_policy())) return FieldNotServed("spec.output_policy");
  if (!v1::OnLeaderExit_IsValid(proto.on_leader_exit())) {
    return FieldNotServed("spec.on_leader_exit");
  }
  spec->track_changes = proto.track_changes();
  spec->stdin_open = proto.stdin_mode() == v1::STDIN_MODE_PIPE && !proto.has_terminal();
  if (proto.output_policy() == v1::OUTPUT_POLICY_BACK_PRESSURE) {
    spec->output_policy = OutputPolicy::kBackPressure;
  }
  spec->keep_survivors = proto.on_leader_exit() == v1::ON_LEADER_EXIT_KEEP;
  return absl::OkStatus();
}

// What was named, or the default; rounded up to what records are aligned to.
absl::StatusOr<uint64_t> OutputSize(std::optional<uint64_t> named, const OutputBounds& bounds,
                                    uint64_t OutputLimits::*member, absl::string_view name) {
  constexpr uint64_t kAlignment = 8;
  const uint64_t value = named.value_or(bounds.defaults.*member);
  const uint64_t most = bounds.most.*member;
  for (const OutputField& field : OutputFields()) {
    if (field.member != member || (value >= field.min && value <= most)) continue;
    return FieldError(name, absl::StrCat("must be ", field.min, " to ", most, " bytes"));
  }
  return (value + kAlignment - 1) / kAlignment * kAlignment;
}

absl::Status SetOutput(const v1::ExecSpec& proto, const OutputBounds& bounds, ExecSpec* spec) {
  const v1::OutputRetention& keep = proto.retention();
  const auto named = [](bool has, uint64_t value) {
    return has ? std::optional<uint64_t>(value) : std::nullopt;
  };
  ASSIGN_OR_RETURN(spec->head_bytes,
                   OutputSize(named(keep.has_head_bytes(), keep.head_bytes()), bounds,
                              &OutputLimits::head_bytes, "spec.retention.head_bytes"));
  ASSIGN_OR_RETURN(spec->ring_bytes,
                   OutputSize(named(keep.has_tail_bytes(), keep.tail_bytes()), bounds,
                              &OutputLimits::tail_bytes, "spec.retention.tail_bytes"));
  ASSIGN_OR_RETURN(
      spec->stderr_ring_bytes,
      OutputSize(named(keep.has_stderr_tail_bytes(), keep.stderr_tail_bytes()), bounds,
                 &OutputLimits::stderr_tail_bytes, "spec.retention.stderr_tail_bytes"));
  if (proto.has_full_log()) {
    const v1::FullLog& log = proto.full_log();
    ASSIGN_OR_RETURN(spec->full_log_bytes,
                     OutputSize(named(log.has_limit_bytes(), log.limit_bytes()), bounds,
                                &OutputLimits::full_log_bytes, "spec.full_log.limit_bytes"));
  }
  spec->hold_limit_ms = static_cast<uint32_t>(bounds.defaults.hold_ms);
  RETURN_IF_ERROR(SetMillis(proto.has_hold_time(), proto.hold_time(), 0, "spec.hold_time",
                            &spec->hold_limit_ms));
  if (spec->hold_limit_ms <= bounds.most.hold_ms) return absl::OkStatus();
  return FieldError("spec.hold_time", absl::StrCat("must be at most ", bounds.most.hold_ms, " ms"));
}

absl::Status SetEnvironment(const v1::ExecSpec& proto, ExecSpec* spec) {
  for (const auto& [name, value] : proto.environment()) {
    if (name.empty() || absl::StrContains(name, '=')) {
      return FieldError("spec.environment", "names are neither empty nor have '='");
    }
    spec->environment.push_back(absl::StrCat(name, "=", value));
  }
  // The map has no order of its own; one order makes a retried request equal to the first.
  std::sort(spec->environment.begin(), spec->environment.end());
  spec->replace_environment = proto.replace_environment();
  return absl::OkStatus();
}

absl::Status CheckSize(const v1::ExecSpec& proto) {
  size_t bytes = 0;
  for (const std::string& argument : proto.arguments()) bytes += argument.size() + 1;
  for (const auto& [name, value] : proto.environment()) bytes += name.size() + value.size() + 2;
  if (bytes <= kSpecBytesMax - 8192) return absl::OkStatus();
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("arguments and environment have ", bytes, " bytes; the limit is ",
                   kSpecBytesMax - 8192, "; write a file or use standard input instead"),
      {"SPEC_TOO_LARGE", {{"limit", absl::StrCat(kSpecBytesMax - 8192)}}});
}

// The domain's own check names fields as the domain does.
absl::Status CheckAsDomain(const ExecSpec& spec) {
  absl::Status valid = ValidateExecSpec(spec);
  if (valid.ok()) return valid;
  const ErrorDetail detail = GetErrorDetail(valid).value_or(ErrorDetail{});
  const auto field = detail.metadata.find("field");
  return FieldError(field == detail.metadata.end() ? "spec" : absl::StrCat("spec.", field->second),
                    valid.message());
}

}  // namespace

absl::StatusOr<TerminalSize> FromProto(const v1::TerminalSize& proto, absl::string_view field) {
  constexpr uint32_t kMax = std::numeric_limits<uint16_t>::max();
  if (proto.rows() == 0 || proto.rows() > kMax) {
    return FieldError(absl::StrCat(field, ".rows"), "must be 1 to 65535");
  }
  if (proto.columns() == 0 || proto.columns() > kMax) {
    return FieldError(absl::StrCat(field, ".columns"), "must be 1 to 65535");
  }
  return TerminalSize{static_cast<uint16_t>(proto.rows()), static_cast<uint16_t>(proto.columns())};
}

absl::StatusOr<SignalScope> FromProto(v1::SignalScope scope) {
  if (!v1::SignalScope_IsValid(scope)) return FieldNotServed("scope");
  if (scope == v1::SIGNAL_SCOPE_GROUP) return SignalScope::kGroup;
  if (scope == v1::SIGNAL_SCOPE_TREE) return SignalScope::kTree;
  return SignalScope::kLeader;
}

absl::StatusOr<ExecSpec> FromProto(const v1::ExecSpec& proto, absl::string_view workdir,
                                   const OutputBounds& output) {
  RETURN_IF_ERROR(CheckSize(proto));
  ExecSpec spec;
  spec.arguments = {proto.arguments().begin(), proto.arguments().end()};
  RETURN_IF_ERROR(SetEnvironment(proto, &spec));
  spec.working_directory = proto.working_directory();
  if (!spec.working_directory.empty() && spec.working_directory[0] != '/') {
    spec.working_directory =
        absl::StrCat(workdir, workdir == "/" ? "" : "/", spec.working_directory);
  }
  spec.user = proto.user();
  spec.shell = proto.shell();
  if (proto.has_terminal()) {
    ASSIGN_OR_RETURN(spec.terminal, FromProto(proto.terminal(), "spec.terminal"));
  }
  RETURN_IF_ERROR(SetModes(proto, &spec));
  RETURN_IF_ERROR(SetLimits(proto.limits(), &spec));
  RETURN_IF_ERROR(SetOutput(proto, output, &spec));
  RETURN_IF_ERROR(CheckAsDomain(spec));
  return spec;
}

v1::ExecSpec ToProto(const ExecSpec& spec, WithEnvironment environment) {
  v1::ExecSpec proto;
  for (const std::string& argument : spec.arguments) proto.add_arguments(argument);
  if (environment == WithEnvironment::kYes) {
    for (const std::string& variable : spec.environment) {
      const size_t equals = variable.find('=');
      (*proto.mutable_environment())[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
  }
  proto.set_replace_environment(spec.replace_environment);
  proto.set_working_directory(spec.working_directory);
  proto.set_user(spec.user);
  proto.set_shell(spec.shell);
  proto.set_track_changes(spec.track_changes);
  if (spec.terminal.has_value()) {
    proto.mutable_terminal()->set_rows(spec.terminal->rows);
    proto.mutable_terminal()->set_columns(spec.terminal->columns);
  }
  proto.set_stdin_mode(spec.stdin_open ? v1::STDIN_MODE_PIPE : v1::STDIN_MODE_NULL);
  proto.set_output_policy(spec.output_policy == OutputPolicy::kBackPressure
                              ? v1::OUTPUT_POLICY_BACK_PRESSURE
                              : v1::OUTPUT_POLICY_DROP_OLDEST);
  proto.set_on_leader_exit(spec.keep_survivors ? v1::ON_LEADER_EXIT_KEEP : v1::ON_LEADER_EXIT_KILL);
  v1::ExecLimits* limits = proto.mutable_limits();
  const auto millis = [](uint32_t ms) { return ToProtoDuration(absl::Milliseconds(ms)); };
  if (spec.wall_limit_ms != 0) *limits->mutable_wall_time() = millis(spec.wall_limit_ms);
  if (spec.idle_limit_ms != 0) *limits->mutable_idle_time() = millis(spec.idle_limit_ms);
  if (spec.output_bytes_max != 0) limits->set_output_bytes(spec.output_bytes_max);
  *limits->mutable_term_grace() = millis(spec.term_grace_ms);
  *limits->mutable_drain() = millis(spec.drain_limit_ms);
  v1::OutputRetention* keep = proto.mutable_retention();
  keep->set_head_bytes(spec.head_bytes);
  keep->set_tail_bytes(spec.ring_bytes);
  if (!spec.terminal.has_value()) keep->set_stderr_tail_bytes(spec.stderr_ring_bytes);
  if (spec.full_log_bytes != 0) proto.mutable_full_log()->set_limit_bytes(spec.full_log_bytes);
  if (spec.output_policy == OutputPolicy::kBackPressure) {
    *proto.mutable_hold_time() = millis(spec.hold_limit_ms);
  }
  return proto;
}

v1::ExecState ToProto(ExecSnapshot::State state) {
  switch (state) {
    case ExecSnapshot::State::kStarting:
      return v1::EXEC_STATE_STARTING;
    case ExecSnapshot::State::kRunning:
      return v1::EXEC_STATE_RUNNING;
    case ExecSnapshot::State::kEnded:
      return v1::EXEC_STATE_ENDED;
  }
  return v1::EXEC_STATE_UNSPECIFIED;
}

v1::Exec ToProto(const Exec& exec, const std::string& sandbox_id, WithEnvironment environment,
                 const Clock& clock) {
  const ExecSnapshot now = exec.Snapshot();
  v1::Exec proto;
  proto.set_sandbox_id(sandbox_id);
  proto.set_exec_id(exec.id());
  *proto.mutable_spec() = ToProto(exec.spec(), environment);
  proto.set_state(ToProto(now.state));
  if (now.pid.has_value()) {
    proto.set_pid(*now.pid);
    *proto.mutable_start_time() = MonotonicToProtoTime(now.started_ns, clock);
  }
  proto.set_last_sequence(now.last_sequence);
  proto.set_stdin_offset(now.stdin_accepted);
  if (exec.spec().shell) {
    const ShellState shell = exec.Shell();
    proto.set_last_command(shell.number);
    proto.set_command_running(shell.running && !now.result.has_value());
  }
  if (!now.result.has_value()) return proto;
  *proto.mutable_end() = ToProto(*now.result, exec.spec().terminal.has_value());
  if (now.pid.has_value()) {
    *proto.mutable_end_time() =
        MonotonicToProtoTime(now.started_ns, clock, absl::Microseconds(now.result->wall_us));
  }
  return proto;
}

absl::StatusOr<ShellCommand> FromProto(const v1::RunShellCommandRequest& proto) {
  ShellCommand command;
  if (proto.has_number()) command.number = proto.number();
  command.reader = proto.reader();
  command.script = proto.script();
  RETURN_IF_ERROR(
      SetMillis(proto.has_wall_time(), proto.wall_time(), 1, "wall_time", &command.wall_limit_ms));
  RETURN_IF_ERROR(SetMillis(proto.has_term_grace(), proto.term_grace(), 0, "term_grace",
                            &command.term_grace_ms));
  return command;
}

v1::CommandEnded ToProto(const CommandResult& result) {
  v1::CommandEnded proto;
  proto.set_number(result.number);
  switch (result.cause) {
    case CommandCause::kExited:
      proto.set_cause(v1::COMMAND_CAUSE_EXITED);
      break;
    case CommandCause::kTimedOut:
      proto.set_cause(v1::COMMAND_CAUSE_TIMED_OUT);
      break;
    case CommandCause::kShellEnded:
      proto.set_cause(v1::COMMAND_CAUSE_SHELL_ENDED);
      break;
    case CommandCause::kNone:
      break;
  }
  if (result.exit_code.has_value()) proto.set_exit_code(*result.exit_code);
  if (result.signal.has_value()) proto.set_signal(*result.signal);
  proto.set_shell_ended(result.shell_ended);
  return proto;
}

v1::Frame ToProto(OutputFrame frame, const Exec& exec, const Clock& clock) {
  v1::Frame proto;
  proto.set_sequence(frame.sequence);
  proto.set_monotonic_ns(frame.monotonic_ns);
  switch (frame.kind) {
    case OutputFrame::Kind::kStarted:
      proto.mutable_started()->set_pid(exec.Snapshot().pid.value_or(0));
      *proto.mutable_started()->mutable_start_time() =
          MonotonicToProtoTime(frame.monotonic_ns, clock);
      break;
    case OutputFrame::Kind::kData:
      if (frame.stream == OutputStream::kStdout) {
        proto.set_stdout(std::move(frame.data));
      } else if (frame.stream == OutputStream::kStderr) {
        proto.set_stderr(std::move(frame.data));
      } else {
        proto.set_terminal(std::move(frame.data));
      }
      break;
    case OutputFrame::Kind::kGap:
      proto.set_sequence(frame.sequence_to);
      proto.mutable_gap()->set_from_sequence(frame.sequence);
      proto.mutable_gap()->set_to_sequence(frame.sequence_to);
      proto.mutable_gap()->set_bytes(frame.gap_bytes);
      break;
    case OutputFrame::Kind::kCommandStarted:
      proto.mutable_command_started()->set_number(frame.command_number);
      break;
    case OutputFrame::Kind::kCommandEnded:
      *proto.mutable_command_ended() = ToProto(frame.command.value_or(CommandResult{}));
      break;
    case OutputFrame::Kind::kEnd:
      *proto.mutable_end() =
          ToProto(frame.result.value_or(ExecResult{}), exec.spec().terminal.has_value());
      break;
  }
  return proto;
}

}  // namespace glovebox

#include <cerrno>
#include <cstring>

#include "base/escape.h"
#include "service/convert_denials.h"
#include "service/convert_exec.h"

namespace glovebox {
namespace {

v1::EndCause CauseToProto(ExecResult::Cause cause) {
  switch (cause) {
    case ExecResult::Cause::kExited:
      return v1::END_CAUSE_EXITED;
    case ExecResult::Cause::kSignaled:
      return v1::END_CAUSE_SIGNALED;
    case ExecResult::Cause::kTimedOut:
      return v1::END_CAUSE_TIMED_OUT;
    case ExecResult::Cause::kIdleTimedOut:
      return v1::END_CAUSE_IDLE_TIMED_OUT;
    case ExecResult::Cause::kOomKilled:
      return v1::END_CAUSE_OOM_KILLED;
    case ExecResult::Cause::kOutputLimit:
      return v1::END_CAUSE_OUTPUT_LIMIT;
    case ExecResult::Cause::kKilledByClient:
      return v1::END_CAUSE_KILLED_BY_CLIENT;
    case ExecResult::Cause::kSandboxGone:
      return v1::END_CAUSE_SANDBOX_GONE;
    case ExecResult::Cause::kSpawnFailed:
      return v1::END_CAUSE_SPAWN_FAILED;
    case ExecResult::Cause::kPidsLimit:
      return v1::END_CAUSE_PIDS_LIMIT;
    case ExecResult::Cause::kDiskFull:
      return v1::END_CAUSE_DISK_FULL;
  }
  return v1::END_CAUSE_SANDBOX_GONE;
}

v1::SpawnFailureKind ExecveFailureKind(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return v1::SPAWN_FAILURE_KIND_NOT_FOUND;
    case EACCES:
    case EPERM:
    case ENOEXEC:
    case EISDIR:
    case EINVAL:
    case ETXTBSY:
    case ELOOP:
      return v1::SPAWN_FAILURE_KIND_NOT_EXECUTABLE;
    case ELIBBAD:
      return v1::SPAWN_FAILURE_KIND_BAD_INTERPRETER;
    case E2BIG:
      return v1::SPAWN_FAILURE_KIND_ARGUMENTS_TOO_LONG;
    case ENOMEM:
    case EAGAIN:
      return v1::SPAWN_FAILURE_KIND_RESOURCES;
    default:
      return v1::SPAWN_FAILURE_KIND_UNSPECIFIED;
  }
}

v1::SpawnFailureKind FailureKind(ExecStep step, int error) {
  switch (step) {
    case ExecStep::kExecve:
      return ExecveFailureKind(error);
    case ExecStep::kInterpreter:
      return v1::SPAWN_FAILURE_KIND_BAD_INTERPRETER;
    case ExecStep::kWorkingDirectory:
      return v1::SPAWN_FAILURE_KIND_BAD_WORKING_DIRECTORY;
    case ExecStep::kUser:
      return v1::SPAWN_FAILURE_KIND_BAD_USER;
    case ExecStep::kResources:
    case ExecStep::kClone:
      return v1::SPAWN_FAILURE_KIND_RESOURCES;
    case ExecStep::kReadSpec:
    case ExecStep::kNone:
    case ExecStep::kSession:
    case ExecStep::kDescriptors:
    case ExecStep::kResetSignals:
    case ExecStep::kCapabilities:
    case ExecStep::kFilter:
      break;
  }
  return v1::SPAWN_FAILURE_KIND_UNSPECIFIED;
}

void SetStream(uint64_t total, uint64_t dropped, v1::StreamBytes* stream) {
  stream->set_total(total);
  stream->set_dropped(dropped < total ? dropped : total);
  stream->set_retained(total - stream->dropped());
}

void SetUsage(const ExecResult& result, v1::ExecUsage* usage) {
  usage->set_user_us(result.user_us);
  usage->set_system_us(result.system_us);
  usage->set_wall_us(result.wall_us);
  if (result.memory_peak_bytes != 0) usage->set_peak_memory_bytes(result.memory_peak_bytes);
  usage->set_read_bytes(result.read_bytes);
  usage->set_write_bytes(result.write_bytes);
  if (result.processes_max != 0) usage->set_processes_max(result.processes_max);
}

v1::OomVictim VictimToProto(OomFacts::Victim victim) {
  switch (victim) {
    case OomFacts::Victim::kUnknown:
      return v1::OOM_VICTIM_UNSPECIFIED;
    case OomFacts::Victim::kLeader:
      return v1::OOM_VICTIM_LEADER;
    case OomFacts::Victim::kDescendant:
      return v1::OOM_VICTIM_DESCENDANT;
  }
  return v1::OOM_VICTIM_UNSPECIFIED;
}

void SetOom(const OomFacts& facts, v1::Oom* oom) {
  oom->set_limit_bytes(facts.limit_bytes);
  if (facts.peak_bytes != 0) oom->set_peak_bytes(facts.peak_bytes);
  oom->set_kills(facts.kills);
  oom->set_victim_kind(VictimToProto(facts.victim));
  oom->set_victim(EscapeForPeople(facts.program, 64));
  oom->set_shared(facts.shared);
}

void SetDiskFull(const DiskFacts& facts, v1::DiskFull* disk) {
  disk->set_path(facts.path);
  disk->set_resource(facts.inodes ? v1::DISK_RESOURCE_INODES : v1::DISK_RESOURCE_BYTES);
  if (facts.limit != 0) disk->set_limit(facts.limit);
  disk->set_at_start(facts.at_start);
  disk->set_shared(facts.shared);
}

void SetLimits(const ExecResult& result, v1::End* end) {
  if (result.oom.has_value()) SetOom(*result.oom, end->mutable_oom());
  if (result.pids.has_value()) {
    end->mutable_pids_limit()->set_limit(result.pids->limit);
    end->mutable_pids_limit()->set_refused(result.pids->forks_refused);
    end->mutable_pids_limit()->set_shared(result.pids->shared);
  }
  if (result.disk.has_value()) SetDiskFull(*result.disk, end->mutable_disk_full());
}

// `spec` said that there is one.
void SetFullLog(const ExecResult& result, v1::FullLogEnd* log) {
  log->set_file_bytes(result.log_bytes);
  log->set_last_sequence(result.log_last_sequence);
  switch (result.log_error) {
    case 0:
      log->set_state(v1::FULL_LOG_STATE_COMPLETE);
      break;
    case EFBIG:
      log->set_state(v1::FULL_LOG_STATE_LIMIT);
      break;
    case ENOSPC:
    case EDQUOT:
      log->set_state(v1::FULL_LOG_STATE_DISK_FULL);
      break;
    default:
      log->set_state(v1::FULL_LOG_STATE_FAILED);
      log->set_error_number(result.log_error);
  }
}

}  // namespace

v1::End ToProto(const ExecResult& result, bool terminal) {
  v1::End end;
  end.set_cause(CauseToProto(result.cause));
  if (result.exit_code.has_value()) end.set_exit_code(*result.exit_code);
  if (result.signal.has_value()) end.set_signal(*result.signal);
  end.set_core_dumped(result.core_dumped);
  const bool leader_seen = result.exit_code.has_value() || result.signal.has_value();
  if (leader_seen) SetUsage(result, end.mutable_usage());
  SetLimits(result, &end);
  SetDenials(result, &end);
  end.set_survivors(result.survivors);
  end.set_output_cut(result.pipe_held);
  if (terminal) {
    SetStream(result.bytes_total[0], result.bytes_dropped[0], end.mutable_terminal_bytes());
  } else {
    SetStream(result.bytes_total[0], result.bytes_dropped[0], end.mutable_stdout_bytes());
    SetStream(result.bytes_total[1], result.bytes_dropped[1], end.mutable_stderr_bytes());
  }
  if (result.log_bytes > 0 || result.log_error != 0) SetFullLog(result, end.mutable_full_log());
  if (result.changes.has_value()) {
    v1::ChangeRange* const range = end.mutable_change_range();
    range->set_from_cursor(result.changes->from_cursor);
    range->set_to_cursor(result.changes->to_cursor);
    range->set_shared(result.changes->shared);
  }
  if (result.output_lost_error != 0) end.set_output_lost_error(result.output_lost_error);
  if (result.cause == ExecResult::Cause::kSpawnFailed) {
    const ExecStep step = result.failed_step.value_or(ExecStep::kNone);
    v1::SpawnFailure* failure = end.mutable_spawn_failure();
    failure->set_kind(FailureKind(step, result.error));
    failure->set_error_number(result.error);
    failure->set_step(ExecStepName(step));
  }
  return end;
}

}  // namespace glovebox

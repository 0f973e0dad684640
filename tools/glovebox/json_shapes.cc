#include "tools/glovebox/json_shapes.h"

#include "tools/glovebox/end_report.h"

namespace glovebox {
namespace {

Json TimeJson(const google::protobuf::Timestamp& time) {
  std::string text = TimeText(time);
  return text.empty() ? Json(nullptr) : Json(std::move(text));
}

Json DurationMillis(bool set, const google::protobuf::Duration& duration) {
  if (!set) return nullptr;
  return duration.seconds() * 1000 + duration.nanos() / 1'000'000;
}

template <typename T>
Json Optional(bool set, T value) {
  return set ? Json(value) : Json(nullptr);
}

Json MapJson(const google::protobuf::Map<std::string, std::string>& map) {
  Json out = Json::object();
  std::map<std::string, std::string> sorted(map.begin(), map.end());
  for (const auto& [key, value] : sorted) out[key] = value;
  return out;
}

Json CapabilitiesJson(const google::protobuf::RepeatedPtrField<v1::Capability>& capabilities) {
  Json out = Json::array();
  for (const v1::Capability& capability : capabilities) out.push_back(CapabilityJson(capability));
  return out;
}

Json SpecJson(const v1::ExecSpec& spec) {
  Json out;
  Json arguments = Json::array();
  for (const std::string& argument : spec.arguments()) {
    Json item;
    PutBytes(item, "argument", argument);
    arguments.push_back(item.contains("argument") ? item["argument"] : item);
  }
  out["arguments"] = std::move(arguments);
  PutBytes(out, "working_directory", spec.working_directory());
  out["user"] = spec.user();
  out["terminal"] = spec.has_terminal();
  out["wall_time_ms"] = DurationMillis(spec.limits().has_wall_time(), spec.limits().wall_time());
  return out;
}

Json UsageJson(const v1::ExecUsage& usage) {
  Json out;
  out["user_us"] = usage.user_us();
  out["system_us"] = usage.system_us();
  out["wall_us"] = usage.wall_us();
  out["peak_memory_bytes"] = Optional(usage.has_peak_memory_bytes(), usage.peak_memory_bytes());
  out["read_bytes"] = Optional(usage.has_read_bytes(), usage.read_bytes());
  out["write_bytes"] = Optional(usage.has_write_bytes(), usage.write_bytes());
  out["processes_max"] = Optional(usage.has_processes_max(), usage.processes_max());
  return out;
}

Json StreamJson(bool set, const v1::StreamBytes& stream) {
  if (!set) return nullptr;
  return {
      {"total", stream.total()}, {"retained", stream.retained()}, {"dropped", stream.dropped()}};
}

Json OomJson(const v1::Oom& oom) {
  return {{"limit_bytes", oom.limit_bytes()},
          {"peak_bytes", Optional(oom.has_peak_bytes(), oom.peak_bytes())},
          {"victim", oom.victim()},
          {"kills", oom.kills()},
          {"victim_kind", EnumWord(v1::OomVictim_Name(oom.victim_kind()), "OOM_VICTIM_")},
          {"shared", oom.shared()}};
}

Json PidsLimitJson(const v1::PidsLimit& pids) {
  return {{"limit", pids.limit()}, {"refused", pids.refused()}, {"shared", pids.shared()}};
}

Json DiskFullJson(const v1::DiskFull& disk) {
  return {{"path", disk.path()},
          {"resource", EnumWord(v1::DiskResource_Name(disk.resource()), "DISK_RESOURCE_")},
          {"limit", Optional(disk.has_limit(), disk.limit())},
          {"at_start", disk.at_start()},
          {"shared", disk.shared()}};
}

Json SpawnFailureJson(const v1::SpawnFailure& failure) {
  return {{"kind", EnumWord(v1::SpawnFailureKind_Name(failure.kind()), "SPAWN_FAILURE_KIND_")},
          {"errno", failure.error_number()},
          {"step", failure.step()},
          {"detail", failure.detail()}};
}

Json FullLogJson(const v1::FullLogEnd& log) {
  return {{"state", EnumWord(v1::FullLogState_Name(log.state()), "FULL_LOG_STATE_")},
          {"file_bytes", log.file_bytes()},
          {"last_sequence", log.last_sequence()},
          {"error_number", log.error_number()}};
}

}  // namespace

Json LimitsJson(const v1::SandboxLimits& limits) {
  Json out;
  out["memory_bytes"] = Optional(limits.has_memory_bytes(), limits.memory_bytes());
  out["pids_max"] = Optional(limits.has_pids_max(), limits.pids_max());
  out["cpu_millis"] = Optional(limits.has_cpu_millis(), limits.cpu_millis());
  out["disk_bytes"] = Optional(limits.has_disk_bytes(), limits.disk_bytes());
  out["disk_inodes"] = Optional(limits.has_disk_inodes(), limits.disk_inodes());
  return out;
}

Json SandboxJson(const v1::Sandbox& sandbox) {
  Json out;
  out["id"] = sandbox.id();
  out["host_id"] = sandbox.host_id();
  out["owner"] = sandbox.owner();
  out["state"] = EnumWord(v1::SandboxState_Name(sandbox.state()), "SANDBOX_STATE_");
  out["create_time"] = TimeJson(sandbox.create_time());
  out["image"] = sandbox.image();
  out["image_digest"] = sandbox.image_digest();
  out["snapshot"] = Optional(!sandbox.snapshot().empty(), sandbox.snapshot());
  out["commit"] = Optional(!sandbox.commit().empty(), sandbox.commit());
  out["caches"] = Json::array();
  for (const v1::CacheMount& cache : sandbox.caches()) {
    Json mount = {{"snapshot", cache.snapshot()},
                  {"name", Optional(!cache.name().empty(), cache.name())}};
    PutBytes(mount, "target_path", cache.target_path());
    out["caches"].push_back(std::move(mount));
  }
  out["limits"] = LimitsJson(sandbox.limits());
  out["labels"] = MapJson(sandbox.labels());
  PutBytes(out, "workdir", sandbox.workdir());
  out["root_inside"] = sandbox.profile().root_inside();
  out["seccomp_tier"] =
      EnumWord(v1::SeccompTier_Name(sandbox.profile().seccomp_tier()), "SECCOMP_TIER_");
  out["enforcement"] = CapabilitiesJson(sandbox.enforcement());
  out["stop_reason"] = Optional(sandbox.has_stop_reason(), sandbox.stop_reason().message());
  out["open_exec_count"] = sandbox.open_exec_count();
  out["parent_id"] = Optional(!sandbox.parent_id().empty(), sandbox.parent_id());
  out["egress"] = sandbox.has_egress() ? EgressJson(sandbox.egress()) : Json(nullptr);
  out["egress_etag"] = Optional(!sandbox.egress_etag().empty(), sandbox.egress_etag());
  return out;
}

static Json DenialJson(const v1::Denial& denial) {
  return {{"target", denial.target()},
          {"reason", EnumWord(v1::DenialReason_Name(denial.reason()), "DENIAL_REASON_")},
          {"count", denial.count()},
          {"rule", denial.rule()},
          {"remedy", denial.remedy()},
          {"error_number", denial.error_number()}};
}

Json EndJson(const v1::End& end) {
  Json out;
  out["cause"] = CauseName(end.cause());
  out["exit_code"] = Optional(end.has_exit_code(), end.exit_code());
  out["signal"] = Optional(end.has_signal(), end.signal());
  out["core_dumped"] = end.core_dumped();
  out["usage"] = end.has_usage() ? UsageJson(end.usage()) : Json(nullptr);
  out["oom"] = end.has_oom() ? OomJson(end.oom()) : Json(nullptr);
  out["pids_limit"] = end.has_pids_limit() ? PidsLimitJson(end.pids_limit()) : Json(nullptr);
  out["disk_full"] = end.has_disk_full() ? DiskFullJson(end.disk_full()) : Json(nullptr);
  out["denials"] = Json::array();
  for (const v1::Denial& denial : end.denials()) out["denials"].push_back(DenialJson(denial));
  out["denials_uncounted"] = end.denials_uncounted();
  out["survivors"] = end.survivors();
  out["output_cut"] = end.output_cut();
  if (end.has_change_range()) {
    out["change_range"] = {{"from_cursor", end.change_range().from_cursor()},
                           {"to_cursor", end.change_range().to_cursor()},
                           {"shared", end.change_range().shared()}};
  }
  if (end.has_full_log()) out["full_log"] = FullLogJson(end.full_log());
  if (end.has_output_lost_error()) out["output_lost_error"] = end.output_lost_error();
  out["stdout_bytes"] = StreamJson(end.has_stdout_bytes(), end.stdout_bytes());
  out["stderr_bytes"] = StreamJson(end.has_stderr_bytes(), end.stderr_bytes());
  out["terminal_bytes"] = StreamJson(end.has_terminal_bytes(), end.terminal_bytes());
  out["spawn_failure"] =
      end.has_spawn_failure() ? SpawnFailureJson(end.spawn_failure()) : Json(nullptr);
  return out;
}

Json ExecJson(const v1::Exec& exec) {
  Json out;
  out["sandbox_id"] = exec.sandbox_id();
  out["exec_id"] = exec.exec_id();
  out["state"] = EnumWord(v1::ExecState_Name(exec.state()), "EXEC_STATE_");
  out["cause"] = nullptr;
  out["exit_code"] = nullptr;
  out["signal"] = nullptr;
  if (exec.has_end()) out.update(EndJson(exec.end()));
  out["create_time"] = TimeJson(exec.create_time());
  out["start_time"] = TimeJson(exec.start_time());
  out["end_time"] = TimeJson(exec.end_time());
  out["pid"] = exec.pid();
  out["last_sequence"] = exec.last_sequence();
  out["stdin_offset"] = exec.stdin_offset();
  if (exec.spec().shell()) {
    out["last_command"] = exec.last_command();
    out["command_running"] = exec.command_running();
  }
  out["spec"] = SpecJson(exec.spec());
  return out;
}

Json CommandEndedJson(const v1::CommandEnded& end) {
  Json out;
  out["number"] = end.number();
  out["cause"] = EnumWord(v1::CommandCause_Name(end.cause()), "COMMAND_CAUSE_");
  if (end.has_exit_code()) out["exit_code"] = end.exit_code();
  if (end.has_signal()) out["signal"] = end.signal();
  out["shell_ended"] = end.shell_ended();
  return out;
}

Json FrameJson(const v1::Frame& frame) {
  Json out;
  out["sequence"] = frame.sequence();
  out["monotonic_ns"] = frame.monotonic_ns();
  switch (frame.item_case()) {
    case v1::Frame::kStarted:
      out["started"] = {{"pid", frame.started().pid()},
                        {"start_time", TimeJson(frame.started().start_time())}};
      break;
    case v1::Frame::kStdout:
      PutBytes(out, "stdout", frame.stdout());
      break;
    case v1::Frame::kStderr:
      PutBytes(out, "stderr", frame.stderr());
      break;
    case v1::Frame::kTerminal:
      PutBytes(out, "terminal", frame.terminal());
      break;
    case v1::Frame::kGap:
      out["gap"] = {{"from_sequence", frame.gap().from_sequence()},
                    {"to_sequence", frame.gap().to_sequence()},
                    {"bytes", frame.gap().bytes()}};
      break;
    case v1::Frame::kNotice:
      out["notice"] = {
          {"kind", EnumWord(v1::NoticeKind_Name(frame.notice().kind()), "NOTICE_KIND_")},
          {"message", frame.notice().message()}};
      break;
    case v1::Frame::kCommandStarted:
      out["command_started"] = {{"number", frame.command_started().number()}};
      break;
    case v1::Frame::kCommandEnded:
      out["command_ended"] = CommandEndedJson(frame.command_ended());
      break;
    case v1::Frame::kEnd:
      out["end"] = EndJson(frame.end());
      break;
    case v1::Frame::ITEM_NOT_SET:
      break;
  }
  return out;
}

}  // namespace glovebox

#include "exec/exec_record.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "exec/record_fields.h"

namespace glovebox {
namespace {

constexpr int kDepthMax = 3;
constexpr size_t kKeysMax = 64;

// Only looks: stops the reader before it descends too far or makes too many keys.
class ShapeCheck : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return depth_ > 0; }
  bool boolean(bool) override { return depth_ > 0; }
  bool number_integer(number_integer_t) override { return depth_ > 0; }
  bool number_unsigned(number_unsigned_t) override { return depth_ > 0; }
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool string(string_t&) override { return depth_ > 0; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return ++depth_ <= kDepthMax; }
  bool key(string_t&) override { return ++keys_ <= kKeysMax; }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override { return depth_ > 0 && ++depth_ <= kDepthMax; }
  bool end_array() override { return --depth_ >= 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

 private:
  int depth_ = 0;
  size_t keys_ = 0;
};

// A field that is missing here is forgotten by a daemon that takes over: a new member of ExecSpec,
// OomFacts or ExecResult is listed below (as Added once a release has written records without it),
// then the size is put right.
static_assert(sizeof(ExecSpec) == 208, "list the new member in SpecFields");
static_assert(sizeof(OomFacts) == 72 && sizeof(PidsFacts) == 24 && sizeof(DiskFacts) == 56,
              "list the new member in record_fields.h");
static_assert(sizeof(ExecResult) == 488, "list the new member in ResultFields");

template <typename Fields, typename Spec>
void SpecFields(Fields* fields, Spec& spec) {
  fields->Field("arguments", spec.arguments);
  fields->Field("environment", spec.environment);
  fields->Field("replace_environment", spec.replace_environment);
  fields->Field("working_directory", spec.working_directory);
  fields->Field("user", spec.user);
  fields->Field("terminal", spec.terminal);
  fields->Field("stdin_open", spec.stdin_open);
  fields->Field("output_policy", spec.output_policy);
  fields->Field("keep_survivors", spec.keep_survivors);
  fields->Field("wall_limit_ms", spec.wall_limit_ms);
  fields->Field("idle_limit_ms", spec.idle_limit_ms);
  fields->Field("term_grace_ms", spec.term_grace_ms);
  fields->Field("drain_limit_ms", spec.drain_limit_ms);
  fields->Field("output_bytes_max", spec.output_bytes_max);
  fields->Field("hold_limit_ms", spec.hold_limit_ms);
  fields->Field("head_bytes", spec.head_bytes);
  fields->Field("ring_bytes", spec.ring_bytes);
  fields->Field("stderr_ring_bytes", spec.stderr_ring_bytes);
  fields->Field("full_log_bytes", spec.full_log_bytes);
  fields->Field("shell", spec.shell);
  fields->Added("track_changes", spec.track_changes);
  fields->Added("files_program", spec.files_program);
}

template <typename Fields, typename Result>
void ResultFields(Fields* fields, Result& result) {
  fields->Name("cause", result.cause, CauseName);
  fields->Field("exit_code", result.exit_code);
  fields->Field("signal", result.signal);
  fields->Field("core_dumped", result.core_dumped);
  fields->Name("failed_step", result.failed_step, ExecStepName);
  fields->Field("error", result.error);
  fields->Field("oom", result.oom);
  fields->Field("pids", result.pids);
  fields->Field("disk", result.disk);
  fields->Field("survivors", result.survivors);
  fields->Field("pipe_held", result.pipe_held);
  fields->Field("user_us", result.user_us);
  fields->Field("system_us", result.system_us);
  fields->Field("wall_us", result.wall_us);
  fields->Field("memory_peak_bytes", result.memory_peak_bytes);
  fields->Field("read_bytes", result.read_bytes);
  fields->Field("write_bytes", result.write_bytes);
  fields->Field("processes_max", result.processes_max);
  fields->Field("bytes_total", result.bytes_total);
  fields->Field("bytes_dropped", result.bytes_dropped);
  fields->Field("last_sequence", result.last_sequence);
  fields->Field("log_bytes", result.log_bytes);
  fields->Field("log_last_sequence", result.log_last_sequence);
  fields->Field("log_error", result.log_error);
  fields->Added("output_lost_error", result.output_lost_error);
  fields->Added("refused_calls", result.refused_calls);
  fields->Added("refused_calls_uncounted", result.refused_calls_uncounted);
  fields->Added("refused_connections", result.refused_connections);
  fields->Added("refused_connections_uncounted", result.refused_connections_uncounted);
  fields->Added("changes", result.changes);
}

template <typename Fields, typename Outcome>
void OutcomeFields(Fields* fields, Outcome& outcome) {
  fields->Field("pid", outcome.pid);
  fields->Field("started_ns", outcome.started_ns);
  fields->Field("stdin_accepted", outcome.stdin_accepted);
  fields->Field("stdin_written", outcome.stdin_written);
  ResultFields(fields, outcome.result);
}

}  // namespace

absl::Status RecordFieldError(absl::string_view field, absl::string_view why) {
  return DetailedError(absl::StatusCode::kDataLoss,
                       absl::StrCat("the record of an exec: ", field, " ", why),
                       {"RECORD_INVALID", {{"field", std::string(field)}}});
}

absl::StatusOr<nlohmann::json> ParseRecord(absl::string_view bytes) {
  if (bytes.size() > kExecRecordBytesMax) return RecordFieldError("record", "is too long");
  ShapeCheck shape;
  if (!nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &shape,
                                 nlohmann::json::input_format_t::msgpack)) {
    return RecordFieldError("record", "is no record");
  }
  nlohmann::json record = nlohmann::json::from_msgpack(bytes.begin(), bytes.end(), /*strict=*/true,
                                                       /*allow_exceptions=*/false);
  if (!record.is_object()) return RecordFieldError("record", "is no map");
  return record;
}

std::string FormatRecord(const nlohmann::json& record) {
  std::string bytes;
  nlohmann::json::to_msgpack(record, bytes);
  return bytes;
}

std::string EncodeExecRecord(absl::string_view exec_id, const ExecSpec& spec,
                             const ChangesStart& changes) {
  RecordWriter fields;
  fields.Field("exec_id", std::string(exec_id));
  SpecFields(&fields, spec);
  if (!changes.cursor.empty()) {
    fields.Field("changes_from", changes.cursor);
    fields.Field("changes_shared", changes.shared);
  }
  return FormatRecord(fields.Take());
}

absl::StatusOr<ExecRecord> DecodeExecRecord(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const nlohmann::json json, ParseRecord(bytes));
  RecordReader fields(json);
  ExecRecord record;
  fields.Field("exec_id", record.exec_id);
  SpecFields(&fields, record.spec);
  fields.Added("changes_from", record.changes.cursor);
  fields.Added("changes_shared", record.changes.shared);
  RETURN_IF_ERROR(fields.status());
  if (const absl::Status fits = ValidateExecSpec(record.spec); !fits.ok()) {
    return RecordFieldError("spec", fits.message());
  }
  return record;
}

ExecOutcome NeverStartedOutcome() {
  ExecOutcome outcome;
  outcome.result.cause = ExecResult::Cause::kSpawnFailed;
  outcome.result.failed_step = ExecStep::kNone;
  outcome.result.error = ECONNRESET;
  return outcome;
}

std::string EncodeExecOutcome(const ExecOutcome& outcome) {
  RecordWriter fields;
  OutcomeFields(&fields, outcome);
  return FormatRecord(fields.Take());
}

absl::StatusOr<ExecOutcome> DecodeExecOutcome(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const nlohmann::json json, ParseRecord(bytes));
  RecordReader fields(json);
  ExecOutcome outcome;
  OutcomeFields(&fields, outcome);
  RETURN_IF_ERROR(fields.status());
  return outcome;
}

}  // namespace glovebox

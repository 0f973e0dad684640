// Records of execs as bytes: what is written is read again, and nothing else is.
#include "exec/exec_record.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/status.h"

namespace glovebox {
namespace {

ExecSpec FullSpec() {
  ExecSpec spec;
  spec.arguments = {"/bin/sh", "-c", std::string("bytes \xff\x80\x01", 9), ""};
  spec.environment = {"A=1", "EMPTY="};
  spec.replace_environment = true;
  spec.working_directory = "/workspace";
  spec.user = "1000:1000";
  spec.terminal = TerminalSize{40, 132};
  spec.stdin_open = true;
  spec.output_policy = OutputPolicy::kBackPressure;
  spec.keep_survivors = true;
  spec.wall_limit_ms = 1000;
  spec.idle_limit_ms = 2000;
  spec.term_grace_ms = 3;
  spec.drain_limit_ms = 4;
  spec.output_bytes_max = 5'000'000'000;
  spec.hold_limit_ms = 6;
  spec.head_bytes = 8;
  spec.ring_bytes = 512 * 1024;
  spec.stderr_ring_bytes = 256 * 1024 + 8;
  return spec;
}

ExecOutcome FullOutcome() {
  ExecOutcome outcome;
  outcome.pid = 42;
  outcome.started_ns = 1234567890123;
  outcome.stdin_accepted = 10;
  outcome.stdin_written = 9;
  outcome.result.cause = ExecResult::Cause::kOomKilled;
  outcome.result.signal = 9;
  outcome.result.core_dumped = true;
  outcome.result.oom = OomFacts{1 << 20, 1 << 19, 2, OomFacts::Victim::kLeader, "a program", true};
  outcome.result.pids = PidsFacts{64, 5, true};
  outcome.result.disk = DiskFacts{"/tmp", true, 1000, true, true};
  outcome.result.read_bytes = 1 << 12;
  outcome.result.write_bytes = 1 << 13;
  outcome.result.processes_max = 6;
  outcome.result.survivors = 3;
  outcome.result.bytes_total[0] = 1ull << 40;
  outcome.result.bytes_total[1] = 7;
  outcome.result.bytes_dropped[1] = 5;
  outcome.result.last_sequence = 99;
  return outcome;
}

std::string FieldOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  if (!detail.has_value() || detail->reason != "RECORD_INVALID") return "no RECORD_INVALID";
  return detail->metadata.at("field");
}

// The bytes of `record` with the value after `key` replaced. Both keys and small values are single
// MessagePack units, so that this is easy to read.
std::string Replace(std::string record, const std::string& key, const std::string& value,
                    size_t old_size) {
  const size_t at = record.find(key);
  EXPECT_NE(at, std::string::npos) << key;
  return record.replace(at + key.size(), old_size, value);
}

TEST(ExecRecordTest, EveryFieldOfASpecComesBack) {
  const auto record = DecodeExecRecord(EncodeExecRecord("exec-1", FullSpec()));
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->exec_id, "exec-1");
  EXPECT_EQ(record->spec, FullSpec());
}

TEST(ExecRecordTest, ADefaultSpecComesBack) {
  ExecSpec spec;
  spec.arguments = {"true"};
  const auto record = DecodeExecRecord(EncodeExecRecord("x", spec));
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->spec, spec);
}

TEST(ExecRecordTest, EveryFieldOfAnOutcomeComesBack) {
  const std::string bytes = EncodeExecOutcome(FullOutcome());
  const auto outcome = DecodeExecOutcome(bytes);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(EncodeExecOutcome(*outcome), bytes);
  EXPECT_EQ(outcome->pid, 42);
  EXPECT_EQ(outcome->result.cause, ExecResult::Cause::kOomKilled);
  EXPECT_FALSE(outcome->result.exit_code.has_value());
  EXPECT_EQ(outcome->result.signal, 9);
  EXPECT_FALSE(outcome->result.failed_step.has_value());
  ASSERT_TRUE(outcome->result.oom.has_value());
  EXPECT_EQ(outcome->result.oom->peak_bytes, 1u << 19);
  EXPECT_EQ(outcome->result.oom->victim, OomFacts::Victim::kLeader);
  EXPECT_EQ(outcome->result.oom->program, "a program");
  ASSERT_TRUE(outcome->result.pids.has_value());
  EXPECT_EQ(outcome->result.pids->forks_refused, 5u);
  ASSERT_TRUE(outcome->result.disk.has_value());
  EXPECT_EQ(outcome->result.disk->path, "/tmp");
  EXPECT_TRUE(outcome->result.disk->at_start);
  EXPECT_EQ(outcome->result.write_bytes, 1u << 13);
  EXPECT_EQ(outcome->result.processes_max, 6u);
  EXPECT_EQ(outcome->result.bytes_total[0], 1ull << 40);
  EXPECT_EQ(outcome->result.last_sequence, 99u);
}

TEST(ExecRecordTest, ANegativeExitCodeAndAFailedStepComeBack) {
  ExecOutcome outcome = NeverStartedOutcome();
  outcome.result.failed_step = ExecStep::kExecve;
  outcome.result.exit_code = -1;
  const auto decoded = DecodeExecOutcome(EncodeExecOutcome(outcome));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->result.cause, ExecResult::Cause::kSpawnFailed);
  EXPECT_EQ(decoded->result.failed_step, ExecStep::kExecve);
  EXPECT_EQ(decoded->result.exit_code, -1);
  EXPECT_FALSE(decoded->pid.has_value());
}

TEST(ExecRecordTest, AKeyOfALaterVersionIsPassedOver) {
  std::string bytes = EncodeExecRecord("x", FullSpec());
  // map16: one more pair at the end.
  ASSERT_EQ(static_cast<uint8_t>(bytes[0]), 0xde);
  bytes[2] = static_cast<char>(bytes[2] + 1);
  const auto record = DecodeExecRecord(bytes + "\xa5later\x07");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->spec, FullSpec());
}

TEST(ExecRecordTest, ValuesThatDoNotFitAreRefusedByName) {
  const std::string bytes = EncodeExecRecord("x", FullSpec());
  EXPECT_EQ(FieldOf(DecodeExecRecord(Replace(bytes, "term_grace_ms", "\xc3", 1)).status()),
            "term_grace_ms");
  EXPECT_EQ(FieldOf(DecodeExecRecord(Replace(bytes, "output_policy", "\x05", 1)).status()),
            "output_policy");
  EXPECT_EQ(FieldOf(DecodeExecRecord(Replace(bytes, "stdin_open", "\x01", 1)).status()),
            "stdin_open");
  EXPECT_EQ(FieldOf(DecodeExecRecord(Replace(bytes, "head_bytes", "\x07", 1)).status()), "spec")
      << "not a multiple of 8";
  EXPECT_EQ(FieldOf(DecodeExecOutcome(EncodeExecRecord("x", FullSpec())).status()), "pid");
}

TEST(ExecRecordTest, AnUnknownCauseIsRefused) {
  std::string bytes = EncodeExecOutcome(FullOutcome());
  const size_t at = bytes.find("\xaaOOM_KILLED");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(FieldOf(DecodeExecOutcome(std::string(bytes).replace(at, 11, "\xa7UNKNOWN")).status()),
            "cause");
  EXPECT_EQ(FieldOf(DecodeExecOutcome(std::string(bytes).replace(at, 11, "\xa3HMM")).status()),
            "cause");
}

TEST(ExecRecordTest, DeepNestingIsRefusedWithoutDescending) {
  EXPECT_EQ(FieldOf(DecodeExecRecord(std::string(1 << 20, '\x91')).status()), "record");
  EXPECT_EQ(FieldOf(DecodeExecRecord("\x81\xa1x" + std::string(1 << 20, '\x91')).status()),
            "record");
  std::string maps;
  for (int i = 0; i < 100'000; ++i) maps += "\x81\xa1x";
  EXPECT_EQ(FieldOf(DecodeExecRecord(maps).status()), "record");
}

TEST(ExecRecordTest, TruncatedOrLengthenedRecordsAreRefused) {
  const std::string bytes = EncodeExecRecord("exec-1", FullSpec());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeExecRecord(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeExecRecord(bytes + "x").ok());
  EXPECT_FALSE(DecodeExecRecord(std::string(kExecRecordBytesMax + 1, '\0')).ok());
}

TEST(ExecRecordTest, GarbledRecordsAreRefusedOrFit) {
  const std::string spec_bytes = EncodeExecRecord("exec-1", FullSpec());
  const std::string end_bytes = EncodeExecOutcome(FullOutcome());
  std::mt19937 random(20261121);
  const auto garble = [&](std::string bytes) {
    const auto changes = 1 + random() % 4;
    for (uint64_t i = 0; i < changes; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    }
    return bytes;
  };
  int refused = 0;
  for (int i = 0; i < 4'000; ++i) {
    const auto record = DecodeExecRecord(garble(spec_bytes));
    const auto outcome = DecodeExecOutcome(garble(end_bytes));
    if (record.ok()) {
      EXPECT_TRUE(ValidateExecSpec(record->spec).ok());
    } else {
      EXPECT_NE(FieldOf(record.status()), "no RECORD_INVALID");
      ++refused;
    }
    if (!outcome.ok()) {
      EXPECT_NE(FieldOf(outcome.status()), "no RECORD_INVALID");
    }
  }
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace glovebox

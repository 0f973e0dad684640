#include "service/convert_exec.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/status.h"

namespace glovebox {
namespace {

v1::ExecSpec Echo() {
  v1::ExecSpec spec;
  spec.add_arguments("echo");
  return spec;
}

std::string ReasonOf(const v1::ExecSpec& proto) {
  const auto spec = FromProto(proto, "/workspace");
  return spec.ok() ? "" : GetErrorDetail(spec.status())->reason;
}

TEST(ConvertExec, RetentionIsNamedOrTheDefaultAndWithinWhatTheHostAllows) {
  v1::ExecSpec proto;
  proto.add_arguments("true");
  OutputBounds bounds;
  bounds.defaults.tail_bytes = 128 << 10;
  bounds.most.tail_bytes = 1 << 20;
  auto spec = FromProto(proto, "/", bounds);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->ring_bytes, 128u << 10);
  EXPECT_EQ(spec->head_bytes, 64u << 10);
  EXPECT_EQ(spec->full_log_bytes, 0u);
  EXPECT_EQ(spec->hold_limit_ms, 60'000u);
  proto.mutable_retention()->set_tail_bytes(100'001);
  proto.mutable_full_log();
  proto.mutable_hold_time()->set_seconds(5);
  spec = FromProto(proto, "/", bounds);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->ring_bytes, 100'008u);
  EXPECT_EQ(spec->full_log_bytes, 1u << 30);
  EXPECT_EQ(spec->hold_limit_ms, 5000u);
  proto.mutable_retention()->set_tail_bytes(2 << 20);
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(proto, "/", bounds).status()));
}

TEST(ExecSpecFromProto, AbsentFieldsAreTheDefaults) {
  const auto spec = FromProto(Echo(), "/workspace");
  ASSERT_TRUE(spec.ok()) << spec.status();
  ExecSpec expected;
  expected.arguments = {"echo"};
  EXPECT_EQ(*spec, expected);
}

TEST(ExecSpecFromProto, RelativeDirectoryStartsAtTheWorkdir) {
  v1::ExecSpec proto = Echo();
  proto.set_working_directory("src");
  EXPECT_EQ(FromProto(proto, "/workspace")->working_directory, "/workspace/src");
  EXPECT_EQ(FromProto(proto, "/")->working_directory, "/src");
}

TEST(ExecSpecFromProto, EnvironmentIsInOneOrderSoThatARetryIsEqual) {
  v1::ExecSpec proto = Echo();
  for (const char* name : {"B", "A", "C"}) (*proto.mutable_environment())[name] = "1";
  EXPECT_EQ(FromProto(proto, "/")->environment, (std::vector<std::string>{"A=1", "B=1", "C=1"}));
}

TEST(ExecSpecFromProto, WrongFieldsAreRefusedByName) {
  EXPECT_EQ(ReasonOf(v1::ExecSpec()), "INVALID_FIELD");
  v1::ExecSpec bad_name = Echo();
  (*bad_name.mutable_environment())["A=B"] = "1";
  EXPECT_EQ(ReasonOf(bad_name), "INVALID_FIELD");
  v1::ExecSpec bad_terminal = Echo();
  bad_terminal.mutable_terminal()->set_rows(70000);
  EXPECT_EQ(ReasonOf(bad_terminal), "INVALID_FIELD");
  v1::ExecSpec bad_limit = Echo();
  bad_limit.mutable_limits()->mutable_wall_time();
  EXPECT_EQ(ReasonOf(bad_limit), "INVALID_FIELD");
}

TEST(ExecSpecFromProto, UnknownEnumValuesAreNotServed) {
  v1::ExecSpec proto = Echo();
  proto.set_output_policy(static_cast<v1::OutputPolicy>(77));
  EXPECT_EQ(ReasonOf(proto), "FIELD_NOT_SERVED");
}

TEST(ExecSpecFromProto, TooLargeIsItsOwnError) {
  v1::ExecSpec proto = Echo();
  proto.add_arguments(std::string(3 << 20, 'x'));
  EXPECT_EQ(ReasonOf(proto), "SPEC_TOO_LARGE");
}

TEST(ExecSpec, SurvivesTheWayThereAndBack) {
  v1::ExecSpec proto = Echo();
  (*proto.mutable_environment())["A"] = "x=y";
  proto.set_stdin_mode(v1::STDIN_MODE_PIPE);
  proto.set_on_leader_exit(v1::ON_LEADER_EXIT_KEEP);
  proto.mutable_limits()->mutable_wall_time()->set_seconds(7);
  const auto spec = FromProto(proto, "/");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(*FromProto(ToProto(*spec, WithEnvironment::kYes), "/"), *spec);
}

TEST(EndToProto, CodeAndSignalAreAbsentUnlessTheyAreKnown) {
  ExecResult gone;
  const v1::End end = ToProto(gone, false);
  EXPECT_EQ(end.cause(), v1::END_CAUSE_SANDBOX_GONE);
  EXPECT_FALSE(end.has_exit_code());
  EXPECT_FALSE(end.has_signal());
  ExecResult zero;
  zero.cause = ExecResult::Cause::kExited;
  zero.exit_code = 0;
  EXPECT_TRUE(ToProto(zero, false).has_exit_code());
}

TEST(EndToProto, SpawnFailureKindFollowsStepAndErrno) {
  ExecResult failed;
  failed.cause = ExecResult::Cause::kSpawnFailed;
  failed.failed_step = ExecStep::kExecve;
  failed.error = ENOENT;
  EXPECT_EQ(ToProto(failed, false).spawn_failure().kind(), v1::SPAWN_FAILURE_KIND_NOT_FOUND);
  failed.error = EACCES;
  EXPECT_EQ(ToProto(failed, false).spawn_failure().kind(), v1::SPAWN_FAILURE_KIND_NOT_EXECUTABLE);
  failed.failed_step = ExecStep::kWorkingDirectory;
  EXPECT_EQ(ToProto(failed, false).spawn_failure().kind(),
            v1::SPAWN_FAILURE_KIND_BAD_WORKING_DIRECTORY);
  failed.failed_step = ExecStep::kInterpreter;
  EXPECT_EQ(ToProto(failed, false).spawn_failure().kind(), v1::SPAWN_FAILURE_KIND_BAD_INTERPRETER);
  EXPECT_EQ(ToProto(failed, false).spawn_failure().step(), "interpreter");
}

TEST(EndToProto, LimitFactsStandBesideTheExitCode) {
  ExecResult result;
  result.cause = ExecResult::Cause::kDiskFull;
  result.exit_code = 1;
  result.oom = OomFacts{100, 0, 2, OomFacts::Victim::kDescendant, "", true};
  result.pids = PidsFacts{64, 3, false};
  result.disk = DiskFacts{"/", true, 1000, false, false};
  const v1::End end = ToProto(result, false);
  EXPECT_EQ(end.cause(), v1::END_CAUSE_DISK_FULL);
  EXPECT_EQ(end.exit_code(), 1);
  EXPECT_EQ(end.oom().kills(), 2u);
  EXPECT_EQ(end.oom().victim_kind(), v1::OOM_VICTIM_DESCENDANT);
  EXPECT_TRUE(end.oom().shared());
  EXPECT_FALSE(end.oom().has_peak_bytes());
  EXPECT_EQ(end.pids_limit().refused(), 3u);
  EXPECT_EQ(end.disk_full().resource(), v1::DISK_RESOURCE_INODES);
  EXPECT_EQ(end.disk_full().limit(), 1000u);
}

TEST(EndToProto, UsageIsAbsentWhenNobodySawTheLeaderEnd) {
  EXPECT_FALSE(ToProto(ExecResult{}, false).has_usage());
  ExecResult exited;
  exited.cause = ExecResult::Cause::kExited;
  exited.exit_code = 0;
  const v1::End end = ToProto(exited, false);
  EXPECT_TRUE(end.usage().has_read_bytes());
  EXPECT_FALSE(end.usage().has_peak_memory_bytes()) << "not known is not zero";
  EXPECT_FALSE(end.usage().has_processes_max());
}

TEST(EndToProto, DroppedNeverExceedsTotalWhateverInitSays) {
  ExecResult result;
  result.bytes_total[0] = 5;
  result.bytes_dropped[0] = 9;
  const v1::End end = ToProto(result, false);
  EXPECT_EQ(end.stdout_bytes().dropped(), 5u);
  EXPECT_EQ(end.stdout_bytes().retained(), 0u);
}

}  // namespace
}  // namespace glovebox

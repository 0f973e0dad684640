#include "exec/exec_spec.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace glovebox {
namespace {

ExecSpec Good() {
  ExecSpec spec;
  spec.arguments = {"true"};
  return spec;
}

std::string FieldOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->metadata.at("field") : "";
}

TEST(ExecSpecTest, AGoodSpecPasses) { EXPECT_TRUE(ValidateExecSpec(Good()).ok()); }

TEST(ExecSpecTest, AnEmptyCommandIsRefusedByField) {
  EXPECT_EQ(FieldOf(ValidateExecSpec(ExecSpec{})), "arguments");
}

TEST(ExecSpecTest, TextsThatCHoldsDifferentlyAreRefused) {
  ExecSpec spec = Good();
  spec.arguments.push_back(std::string("a\0b", 3));
  EXPECT_FALSE(ValidateExecSpec(spec).ok());
  spec = Good();
  spec.environment = {"=value"};
  EXPECT_EQ(FieldOf(ValidateExecSpec(spec)), "environment");
  spec.environment = {"NOVALUE"};
  EXPECT_EQ(FieldOf(ValidateExecSpec(spec)), "environment");
  spec = Good();
  spec.working_directory = "relative";
  EXPECT_EQ(FieldOf(ValidateExecSpec(spec)), "working_directory");
}

TEST(ExecSpecTest, ArgumentsBeyondTheRegionAreRefusedWithTheLimit) {
  ExecSpec spec = Good();
  spec.arguments.resize(31, std::string(100'000, 'x'));
  const absl::Status status = ValidateExecSpec(spec);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("2093056"), absl::string_view::npos);
}

TEST(ExecSpecTest, ResultsReadLikeSentences) {
  ExecResult result;
  result.cause = ExecResult::Cause::kExited;
  result.exit_code = 3;
  EXPECT_EQ(DescribeResult(result), "exited 3");
  result = ExecResult{};
  result.cause = ExecResult::Cause::kSpawnFailed;
  result.failed_step = ExecStep::kExecve;
  result.error = 2;
  EXPECT_EQ(DescribeResult(result), "could not start: execve: No such file or directory");
  result = ExecResult{};
  result.cause = ExecResult::Cause::kTimedOut;
  result.signal = 9;
  EXPECT_EQ(DescribeResult(result), "timed out (wall limit); killed by signal 9 (SIGKILL)");
}

}  // namespace
}  // namespace glovebox

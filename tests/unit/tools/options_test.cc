// The options of create and exec as requests.
#include <gtest/gtest.h>

#include "tools/glovebox/create_options.h"
#include "tools/glovebox/exec_options.h"

namespace glovebox {
namespace {

TEST(ExecOptions, AFullLogIsAskedForWithAndWithoutALimit) {
  ExecOptions options;
  EXPECT_FALSE(BuildExecSpec(options, {"true"}, {}, nullptr)->has_full_log());
  options.full_log = "true";
  EXPECT_FALSE(BuildExecSpec(options, {"true"}, {}, nullptr)->full_log().has_limit_bytes());
  EXPECT_TRUE(BuildExecSpec(options, {"true"}, {}, nullptr)->has_full_log());
  options.full_log = "2G";
  EXPECT_EQ(BuildExecSpec(options, {"true"}, {}, nullptr)->full_log().limit_bytes(), 2ull << 30);
  options.full_log = "much";
  EXPECT_TRUE(absl::IsInvalidArgument(BuildExecSpec(options, {"true"}, {}, nullptr).status()));
}

TEST(CreateOptionsTest, NothingAskedForIsNothingSet) {
  const auto request = BuildCreateRequest({});
  ASSERT_TRUE(request.ok());
  EXPECT_FALSE(request->has_image());
  EXPECT_FALSE(request->limits().has_memory_bytes());
  EXPECT_EQ(request->source_case(), v1::CreateSandboxRequest::SOURCE_NOT_SET);
}

TEST(CreateOptionsTest, EveryLimitReachesItsField) {
  SandboxOptions options;
  options.memory = "1GiB";
  options.pids = "256";
  options.disk = "2GiB";
  options.inodes = "1000";
  options.cpus = "1.5";
  options.labels = {"a=b=c", "d="};
  options.root_inside = true;
  const auto request = BuildCreateRequest(options);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->limits().memory_bytes(), 1u << 30);
  EXPECT_EQ(request->limits().pids_max(), 256u);
  EXPECT_EQ(request->limits().disk_bytes(), 2u << 30);
  EXPECT_EQ(request->limits().disk_inodes(), 1000u);
  EXPECT_EQ(request->limits().cpu_millis(), 1500u);
  EXPECT_EQ(request->labels().at("a"), "b=c");
  EXPECT_EQ(request->labels().at("d"), "");
  EXPECT_TRUE(request->profile().root_inside());
}

TEST(CreateOptionsTest, AWrongValueNamesItsOption) {
  SandboxOptions options;
  options.memory = "lots";
  const auto request = BuildCreateRequest(options);
  EXPECT_TRUE(absl::IsInvalidArgument(request.status()));
  EXPECT_NE(request.status().message().find("--memory"), absl::string_view::npos);
}

TEST(ExecOptionsTest, InputIsAPipeOnlyWhenAskedFor) {
  ExecOptions options;
  EXPECT_EQ(BuildExecSpec(options, {"true"}, {}, nullptr)->stdin_mode(),
            v1::STDIN_MODE_UNSPECIFIED);
  options.interactive = true;
  EXPECT_EQ(BuildExecSpec(options, {"cat"}, {}, nullptr)->stdin_mode(), v1::STDIN_MODE_PIPE);
}

TEST(ExecOptionsTest, ATerminalHasOurSizeAndTerm) {
  ExecOptions options;
  options.terminal = true;
  auto spec = BuildExecSpec(options, {"bash"}, {50, 132}, "xterm");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->terminal().rows(), 50u);
  EXPECT_EQ(spec->terminal().columns(), 132u);
  EXPECT_EQ(spec->environment().at("TERM"), "xterm");
  options.environment = {"TERM=dumb"};
  EXPECT_EQ(BuildExecSpec(options, {"bash"}, {}, "xterm")->environment().at("TERM"), "dumb");
}

TEST(ExecOptionsTest, RefusesNoCommandAndHalfAVariable) {
  EXPECT_TRUE(absl::IsInvalidArgument(BuildExecSpec({}, {}, {}, nullptr).status()));
  ExecOptions options;
  options.environment = {"HOME"};
  EXPECT_TRUE(absl::IsInvalidArgument(BuildExecSpec(options, {"true"}, {}, nullptr).status()));
}

TEST(ExecOptionsTest, TheTimeoutIsTheWallLimit) {
  ExecOptions options;
  options.timeout = "1.5s";
  EXPECT_EQ(*WallLimit(*BuildExecSpec(options, {"true"}, {}, nullptr)), absl::Milliseconds(1500));
  EXPECT_FALSE(WallLimit(*BuildExecSpec({}, {"true"}, {}, nullptr)).has_value());
}

}  // namespace
}  // namespace glovebox

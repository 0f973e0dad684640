#include "tools/glovebox/json_shapes.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(JsonShapesTest, ExecStatusHasItsContractsFieldsWhileRunningAndAfter) {
  v1::Exec exec;
  exec.set_exec_id("build");
  exec.set_state(v1::EXEC_STATE_RUNNING);
  Json json = ExecJson(exec);
  EXPECT_EQ(json["state"], "running");
  EXPECT_TRUE(json["exit_code"].is_null());
  EXPECT_TRUE(json["cause"].is_null());
  exec.set_state(v1::EXEC_STATE_ENDED);
  exec.mutable_end()->set_cause(v1::END_CAUSE_EXITED);
  exec.mutable_end()->set_exit_code(3);
  exec.mutable_end()->mutable_usage()->set_wall_us(17);
  json = ExecJson(exec);
  EXPECT_EQ(json["state"], "ended");
  EXPECT_EQ(json["cause"], "exited");
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_TRUE(json["signal"].is_null());
  EXPECT_EQ(json["usage"]["wall_us"], 17);
  EXPECT_TRUE(json["usage"]["read_bytes"].is_null());
}

TEST(JsonShapesTest, BytesAreUtf8OrBase64) {
  v1::Change change;
  change.set_kind(v1::CHANGE_KIND_ADDED);
  change.set_path("grün");
  EXPECT_EQ(ChangeJson(change)["path"], "grün");
  change.set_path("a\xff");
  const Json json = ChangeJson(change);
  EXPECT_FALSE(json.contains("path"));
  EXPECT_EQ(json["path_base64"], "Yf8=");
  EXPECT_EQ(json["kind"], "A");
}

TEST(JsonShapesTest, Utf8IsJudgedStrictly) {
  EXPECT_TRUE(IsValidUtf8("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
  for (const char* text : {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "\xc3", "\xe2\x82"}) {
    EXPECT_FALSE(IsValidUtf8(text));
  }
}

TEST(JsonShapesTest, TextIsSafeForTerminals) {
  Json json;
  PutBytes(json, "x", "\x1b[31m\xe2\x80\xae");
  for (const char c : OneLine(json)) {
    EXPECT_TRUE((c >= 0x20 && c < 0x7f) || c == '\n') << static_cast<int>(c);
  }
}

TEST(JsonShapesTest, SandboxShowsLimitsAndState) {
  v1::Sandbox sandbox;
  sandbox.set_id("0123456789abcdef0123456789abcdef");
  sandbox.set_state(v1::SANDBOX_STATE_RUNNING);
  sandbox.mutable_create_time()->set_seconds(1'700'000'000);
  sandbox.mutable_limits()->set_memory_bytes(uint64_t{1} << 40);
  const Json json = SandboxJson(sandbox);
  EXPECT_EQ(json["state"], "running");
  EXPECT_EQ(json["create_time"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(json["limits"]["memory_bytes"], uint64_t{1} << 40);
  EXPECT_TRUE(json["commit"].is_null());
}

TEST(JsonShapesTest, AFrameShowsWhichItemItHolds) {
  v1::Frame frame;
  frame.set_sequence(4);
  frame.set_stderr("oops");
  EXPECT_EQ(FrameJson(frame)["stderr"], "oops");
  frame.mutable_gap()->set_bytes(9);
  EXPECT_EQ(FrameJson(frame)["gap"]["bytes"], 9);
}

}  // namespace
}  // namespace glovebox

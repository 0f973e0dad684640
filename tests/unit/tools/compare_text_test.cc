#include "tools/glovebox/compare_text.h"

#include "gtest/gtest.h"

namespace glovebox {
namespace {

v1::CompareSandboxesResponse Response(int sandboxes) {
  v1::CompareSandboxesResponse response;
  for (int i = 0; i < sandboxes; ++i) {
    v1::SandboxOutcome* outcome = response.add_outcomes();
    outcome->set_sandbox_id(std::string(32, static_cast<char>('a' + i % 6)));
    outcome->mutable_summary()->set_digest(i < 2 ? "same" : "other");
    outcome->mutable_summary()->set_files_changed(2);
  }
  return response;
}

TEST(CompareTextTest, HasALinePerSandboxAndALinePerPath) {
  v1::CompareSandboxesResponse response = Response(3);
  response.mutable_outcomes(0)->mutable_exec_end()->set_cause(v1::END_CAUSE_EXITED);
  response.mutable_outcomes(0)->mutable_exec_end()->set_exit_code(3);
  response.mutable_outcomes(2)->mutable_exec_end()->set_cause(v1::END_CAUSE_TIMED_OUT);
  response.mutable_outcomes(2)->mutable_exec_end()->set_signal(15);
  v1::ComparedPath* path = response.add_paths();
  path->set_path("a\n\x1b[2J");
  for (const uint32_t version : {1, 1, 1}) path->add_versions(version);
  path = response.add_paths();
  path->set_path("b");
  for (const uint32_t version : {1, 0, 2}) path->add_versions(version);
  response.set_paths_cut(true);
  EXPECT_EQ(CompareTable(response, {true, true, true}, false),
            "NR  SANDBOX       FILES  ADDED  REMOVED  SAME AS  EXEC\n"
            "1   aaaaaaaaaaaa  2      +0     -0       -        exited 3\n"
            "2   bbbbbbbbbbbb  2      +0     -0       1        running\n"
            "3   cccccccccccc  2      +0     -0       -        timed_out, SIGTERM\n"
            "\n"
            "        1  2  3  PATH\n"
            "agree   1  1  1  a\\n\\x1b[2J\n"
            "differ  1  .  2  b\n"
            "... and more paths\n");
}

TEST(CompareTextTest, OfManySandboxesTheCountsAreShown) {
  v1::CompareSandboxesResponse response = Response(30);
  v1::ComparedPath* path = response.add_paths();
  path->set_path("file");
  for (uint32_t i = 0; i < 30; ++i) path->add_versions(i % 3);
  const std::string text = CompareTable(response, std::vector<bool>(30, false), false);
  EXPECT_NE(text.find("differ  20 of 30    2         file\n"), std::string::npos) << text;
}

TEST(CompareTextTest, ColumnsAreCutToTheWidthAndEscaped) {
  const std::string long_line(100, 'x');
  EXPECT_EQ(SideBySide({{"1, 2", "-one\n+two\n"}, {"3", long_line + "\n\x1b[31m\xff\n"}}, 63),
            "1, 2                           | 3\n"
            "-one                           | " +
                std::string(29, 'x') +
                ">\n"
                "+two                           | \\x1b[31m\\xff\n");
  EXPECT_EQ(SideBySide({{"1", "\xc3\xa9\xc3\xa9\n"}}, 30), "1\n\xc3\xa9\xc3\xa9\n");
}

TEST(CompareTextTest, WithoutRoomOneComesAfterTheOther) {
  EXPECT_EQ(SideBySide({{"1", "a\n"}, {"2", "b\x07\n"}}, 62), "== 1\na\n== 2\nb\\x07\n");
  EXPECT_EQ(SideBySide({}, 80), "");
}

}  // namespace
}  // namespace glovebox

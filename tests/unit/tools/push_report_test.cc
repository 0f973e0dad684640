#include "tools/glovebox/push_report.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

PushReport Parse(const std::string& flag, const std::string& summary) {
  return ParsePushReport(absl::StrCat("To /x\n", flag, "\tabc:refs/heads/b\t", summary, "\nDone\n"),
                         "refs/heads/b");
}

TEST(PushReportTest, EachOutcomeOfGitIsTold) {
  EXPECT_EQ(Parse("*", "[new branch]").result, PushResult::kCreated);
  EXPECT_EQ(Parse(" ", "123..456").result, PushResult::kUpdated);
  EXPECT_EQ(Parse("+", "123...456 (forced update)").result, PushResult::kForced);
  EXPECT_EQ(Parse("=", "[up to date]").result, PushResult::kUnchanged);
  EXPECT_EQ(Parse("!", "[rejected] (fetch first)").result, PushResult::kElsewhere);
  EXPECT_EQ(Parse("!", "[rejected] (non-fast-forward)").result, PushResult::kElsewhere);
  EXPECT_EQ(Parse("!", "[remote rejected] (failed to update ref)").result, PushResult::kElsewhere);
  const PushReport refused = Parse("!", "[remote rejected] (hook (x) declined)");
  EXPECT_EQ(refused.result, PushResult::kRefused);
  EXPECT_EQ(refused.reason, "hook (x) declined");
}

TEST(PushReportTest, AnotherBranchOrNoReportIsUnknown) {
  EXPECT_EQ(ParsePushReport("*\tabc:refs/heads/bb\t[new branch]\n", "refs/heads/b").result,
            PushResult::kUnknown);
  for (const char* text : {"", "\n\n", "*", "*\t\t", "fatal: no", "**\tabc:refs/heads/b\tx"}) {
    EXPECT_EQ(ParsePushReport(text, "refs/heads/b").result, PushResult::kUnknown) << text;
  }
}

TEST(PushReportTest, ARefusalNamesTheBranchAndARemedy) {
  const auto remedy = [](const absl::Status& status) {
    return GetErrorDetail(status)->metadata.at("remedy");
  };
  const absl::Status elsewhere = PushRefusal(Parse("!", "[rejected] (fetch first)"), "b", "/x");
  EXPECT_NE(elsewhere.message().find("branch b of /x"), absl::string_view::npos);
  EXPECT_NE(remedy(elsewhere).find("--force"), std::string::npos);
  const absl::Status checked_out =
      PushRefusal(Parse("!", "[remote rejected] (branch is currently checked out)"), "b", "/x");
  EXPECT_NE(checked_out.message().find("is checked out in /x"), absl::string_view::npos);
  EXPECT_NE(remedy(checked_out).find("bare"), std::string::npos);
  const absl::Status hook = PushRefusal(Parse("!", "[remote rejected] (\x1b[31mno)"), "b", "/x");
  EXPECT_EQ(hook.message(), "/x refused branch b: \\x1b[31mno");
}

}  // namespace
}  // namespace glovebox

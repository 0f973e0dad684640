#include "changes/path_quote.h"

#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(QuoteForGitTest, PlainNamesAndSpacesStayBare) {
  EXPECT_EQ(QuoteForGit("a/", "src/main file.cc"), "a/src/main file.cc");
}

TEST(QuoteForGitTest, QuotesControlCharactersQuotesBackslashesAndHighBytes) {
  EXPECT_EQ(QuoteForGit("b/", "a\"b"), "\"b/a\\\"b\"");
  EXPECT_EQ(QuoteForGit("b/", "a\\b"), "\"b/a\\\\b\"");
  EXPECT_EQ(QuoteForGit("b/", "a\nb\tc\x01"), "\"b/a\\nb\\tc\\001\"");
  EXPECT_EQ(QuoteForGit("b/", "\xc3\xa9\x7f\xff"), "\"b/\\303\\251\\177\\377\"");
}

TEST(RefusedByGitTest, RefusesEverySpellingOfDotGit) {
  for (const char* path : {".git", ".GIT/x", "a/.git/config", "git~1", "GIT~1/x", ".git ",
                           ".git. .", ".git::$INDEX", "a\\.git"}) {
    EXPECT_TRUE(RefusedByGit(path, false)) << path;
  }
}

TEST(RefusedByGitTest, AcceptsNamesThatOnlyResembleIt) {
  for (const char* path : {".gitignore", ".github/x", "git", "a.git", "git~2", "x/.gitmodules"}) {
    EXPECT_FALSE(RefusedByGit(path, false)) << path;
  }
}

TEST(RefusedByGitTest, RefusesGitmodulesAsALinkOnly) {
  EXPECT_TRUE(RefusedByGit(".gitmodules", true));
  EXPECT_TRUE(RefusedByGit("GITMOD~1", true));
  EXPECT_FALSE(RefusedByGit("modules", true));
}

}  // namespace
}  // namespace glovebox

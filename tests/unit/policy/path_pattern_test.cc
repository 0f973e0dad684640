#include "policy/path_pattern.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(RequestPaths, HaveOneSpelling) {
  const std::pair<const char*, const char*> cases[] = {
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/a/b/", "/a/b/"},
      {"/a?x=/../..//%2f", "/a"},
      {"/%7euser/%41", "/~user/A"},
      {"/a%2etxt", "/a.txt"},
      {"/a%20b%c3%bc", "/a%20b%C3%BC"},
      {"/...", "/..."},
      {"/a..b/.c", "/a..b/.c"},
      {"/%252e%252e/", "/%252e%252e/"},
  };
  for (const auto& [target, normal] : cases) {
    const auto path = NormalPath(target);
    ASSERT_TRUE(path.ok()) << target << path.status();
    EXPECT_EQ(*path, normal);
    EXPECT_EQ(NormalPath(*path).value(), normal) << "a normal path stays as it is";
  }
}

TEST(RequestPaths, WhatServersReadDifferentlyIsRefused) {
  for (const std::string& target : {std::string(),
                                    std::string("a"),
                                    std::string("*"),
                                    std::string("//"),
                                    std::string("//a"),
                                    std::string("/a//b"),
                                    std::string("/."),
                                    std::string("/.."),
                                    std::string("/a/../b"),
                                    std::string("/a/./b"),
                                    std::string("/a/.."),
                                    std::string("/%2e%2e/a"),
                                    std::string("/.%2E/a"),
                                    std::string("/a/..;x/b"),
                                    std::string("/;/..;"),
                                    std::string("/a/..%3bx/b"),
                                    std::string("/a/%2e%3B/b"),
                                    std::string("/a/%c0%ae%C0%AE/b"),
                                    std::string("/a%c1%9cb"),
                                    std::string("/a%e0%80%afb"),
                                    std::string("/a%F0%80%80%AEb"),
                                    std::string("/a%2fb"),
                                    std::string("/a%2Fb"),
                                    std::string("/a%5cb"),
                                    std::string("/a\\b"),
                                    std::string("/a%00"),
                                    std::string("/a%0a"),
                                    std::string("/a%7f"),
                                    std::string("/a%"),
                                    std::string("/a%4"),
                                    std::string("/a%zz"),
                                    std::string("/a b"),
                                    std::string("/a\tb"),
                                    std::string("/a\0b", 4),
                                    std::string("/a#b"),
                                    std::string("/\xc3\xbc"),
                                    "/" + std::string(kRequestPathBytesMax, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(NormalPath(target).status())) << target;
  }
}

bool Matches(const char* pattern, const char* path) {
  const auto parsed = PathPattern::Parse(pattern);
  EXPECT_TRUE(parsed.ok()) << pattern << parsed.status();
  return parsed.ok() && parsed->Matches(path);
}

TEST(PathPatterns, OneStarStaysInASegment) {
  EXPECT_TRUE(Matches("/a", "/a"));
  EXPECT_FALSE(Matches("/a", "/a/"));
  EXPECT_FALSE(Matches("/a", "/A"));
  EXPECT_TRUE(Matches("/*/b", "/x/b"));
  EXPECT_FALSE(Matches("/*/b", "/x/y/b"));
  EXPECT_TRUE(Matches("/a*c", "/abbc"));
  EXPECT_TRUE(Matches("/a*c", "/ac"));
  EXPECT_FALSE(Matches("/a*c", "/a/c"));
  EXPECT_TRUE(Matches("/*.tar.*", "/x.tar.tar.gz"));
}

TEST(PathPatterns, TwoStarsCrossSegments) {
  EXPECT_TRUE(Matches("/**", "/"));
  EXPECT_TRUE(Matches("/**", "/a/b/c"));
  EXPECT_TRUE(Matches("**/git-upload-pack", "/me/repo.git/git-upload-pack"));
  EXPECT_FALSE(Matches("**/git-upload-pack", "/me/repo.git/git-receive-pack"));
  EXPECT_FALSE(Matches("**/git-upload-pack", "/me/git-upload-pack/x"));
  EXPECT_TRUE(Matches("/a/**/z", "/a/b/c/z"));
  EXPECT_FALSE(Matches("/a/**/z", "/a/z"));
  EXPECT_TRUE(Matches("/**/x*/**", "/x/y/x1/z"));
  EXPECT_FALSE(Matches("/a/**", "/a"));
}

// 256 bytes of stars and letters against the longest path: a backtracking matcher would not end.
TEST(PathPatterns, TheWorstPatternEnds) {
  std::string pattern = "/";
  while (pattern.size() + 3 <= PathPattern::kBytesMax) pattern += "**a";
  const auto parsed = PathPattern::Parse(pattern);
  ASSERT_TRUE(parsed.ok());
  EXPECT_FALSE(parsed->Matches("/" + std::string(kRequestPathBytesMax - 2, 'a') + "b"));
  EXPECT_TRUE(parsed->Matches("/" + std::string(kRequestPathBytesMax - 2, 'a')));
}

TEST(PathPatterns, WhatNoPathCanFitIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("/a b"), std::string("/a?b"),
        std::string("/a#b"), std::string("/a\\b"), std::string("/%41"), std::string("/%c3"),
        std::string("/%2f"), std::string("/%"), std::string("/a/../b"), std::string("/a//b"),
        "/" + std::string(PathPattern::kBytesMax, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(PathPattern::Parse(text).status())) << text;
  }
  EXPECT_TRUE(PathPattern::Parse("/%C3%BC/*").ok());
}

}  // namespace
}  // namespace glovebox

#include "tools/glovebox/push_target.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

std::string Location(absl::string_view text) {
  const auto target = ParsePushTarget(text);
  return target.ok() ? target->location : std::string(target.status().message());
}

std::string Shown(absl::string_view text) {
  const auto target = ParsePushTarget(text);
  return target.ok() ? target->shown : std::string(target.status().message());
}

TEST(PushTargetTest, WhatGitTakesForAPathIsMadeAbsolute) {
  char directory[PATH_MAX];
  ASSERT_NE(::getcwd(directory, sizeof(directory)), nullptr);
  EXPECT_EQ(Location("/x/y.git"), "/x/y.git");
  EXPECT_EQ(Location("y.git"), absl::StrCat(directory, "/y.git"));
  EXPECT_EQ(Location("-y"), absl::StrCat(directory, "/-y"));
  EXPECT_EQ(Location("./a:b"), absl::StrCat(directory, "/./a:b"));
}

TEST(PushTargetTest, UrlsStayAsTheyAre) {
  for (const char* text : {"https://example.org/x", "ssh://a@b:22/x", "file:///x", "git@b:x/y.git",
                           "b:/x", "git://b/x"}) {
    EXPECT_EQ(Location(text), text);
    EXPECT_EQ(Shown(text), text);
  }
}

TEST(PushTargetTest, PasswordsAreNotShown) {
  EXPECT_EQ(Shown("https://ada:secret@example.org/x@y"), "https://ada:***@example.org/x@y");
  EXPECT_EQ(Shown("https://ada:a@b@example.org/x"), "https://ada:***@example.org/x");
  EXPECT_EQ(Shown("HTTPS://token@example.org/x"), "HTTPS://***@example.org/x");
  EXPECT_EQ(Shown("ssh://ada:secret@example.org"), "ssh://ada:***@example.org");
  const auto target = ParsePushTarget("https://ada:secret@example.org/x");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(WithoutPassword("fatal: 'https://ada:secret@example.org/x/' not found", *target),
            "fatal: 'https://ada:***@example.org/x/' not found");
}

TEST(PushTargetTest, OptionsControlCharactersAndNothingAreRefused) {
  for (const char* text : {"", "-o:x", "--upload-pack=touch x:y", "a\nb", "ssh://a\x1b"}) {
    EXPECT_EQ(ParsePushTarget(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace glovebox

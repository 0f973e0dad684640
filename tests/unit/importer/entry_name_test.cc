#include "importer/entry_name.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "importer/refusal.h"
#include "snapshot/importer_exit.h"

namespace glovebox {
namespace {

TEST(EntryName, IsNormalizedAndKeepsItsBytes) {
  for (const auto& [name, normalized] : {std::pair<absl::string_view, absl::string_view>{"a", "a"},
                                         {"./a//b/./c/", "a/b/c"},
                                         {".", ""},
                                         {"./", ""},
                                         {"a\xff\n", "a\xff\n"},
                                         {"...", "..."},
                                         {".wh.x", ".wh.x"}}) {
    const auto got = NormalizeName(name, AbsoluteNames::kRefused);
    ASSERT_TRUE(got.ok()) << name;
    EXPECT_EQ(*got, normalized);
  }
}

TEST(EntryName, WhatLeadsOutOrIsTooLongIsRefused) {
  for (const std::string& name :
       {std::string(), std::string("/a"), std::string(".."), std::string("a/.."),
        std::string("../a"), std::string("a\0b", 3), std::string(256, 'x'),
        absl::StrCat(std::string(4001, '/'), "a/", std::string(256, 'b'))}) {
    EXPECT_EQ(ExitCodeOf(NormalizeName(name, AbsoluteNames::kRefused).status()), kImporterRefused)
        << name;
  }
  std::string deep = "a";
  for (int i = 1; i < kDepthMax; ++i) absl::StrAppend(&deep, "/a");
  EXPECT_TRUE(NormalizeName(deep, AbsoluteNames::kRefused).ok());
  EXPECT_EQ(ExitCodeOf(NormalizeName(deep + "/a", AbsoluteNames::kRefused).status()),
            kImporterTooLarge);
}

TEST(EntryName, AnAbsoluteNameCanCountFromTheRoot) {
  EXPECT_EQ(*NormalizeName("//usr/bin", AbsoluteNames::kRelativeToRoot), "usr/bin");
  EXPECT_FALSE(NormalizeName("/../usr", AbsoluteNames::kRelativeToRoot).ok());
}

TEST(EntryName, ARefusalIsOneLine) {
  const std::string message(
      RefuseEntry("a\nerror: b\r" + std::string(5000, 'x'), "is odd").message());
  EXPECT_EQ(message.find_first_of("\r\n"), std::string::npos);
  EXPECT_LT(message.size(), 300u);
}

}  // namespace
}  // namespace glovebox

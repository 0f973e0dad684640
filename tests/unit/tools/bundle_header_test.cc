#include "tools/glovebox/bundle_header.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

const std::string kOne(40, '1');
const std::string kTwo(40, '2');

TEST(BundleHeaderTest, TellsWhatIsNeededTheReferenceAndWhereThePackBegins) {
  const std::string head = absl::StrCat("# v2 git bundle\n-", kOne, " a subject\n-", kTwo, "\n",
                                        kTwo, " refs/heads/fix\n\n");
  const auto header = ParseBundleHeader(absl::StrCat(head, "PACK\n\n"));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->prerequisites, (std::vector<std::string>{kOne, kTwo}));
  EXPECT_EQ(header->commit, kTwo);
  EXPECT_EQ(header->reference, "refs/heads/fix");
  EXPECT_EQ(header->bytes, head.size());
}

TEST(BundleHeaderTest, RefusesEverythingElse) {
  const std::string begin = "# v2 git bundle\n";
  const std::string reference = absl::StrCat(kTwo, " refs/heads/fix\n");
  for (const std::string& text :
       {std::string(), begin, absl::StrCat(begin, "\n"), absl::StrCat(begin, reference),
        absl::StrCat("# v3 git bundle\n@object-format=sha1\n", reference, "\n"),
        absl::StrCat(begin, reference, reference, "\n"),
        absl::StrCat(begin, reference, "-", kOne, "\n\n"),
        absl::StrCat(begin, "-", kOne.substr(1), "\n", reference, "\n"),
        absl::StrCat(begin, "-", kOne, "1\n", reference, "\n"),
        absl::StrCat(begin, "-", std::string(40, 'A'), "\n", reference, "\n"),
        absl::StrCat(begin, kTwo, "\n\n"), absl::StrCat(begin, kTwo, "\trefs/heads/x\n\n"),
        absl::StrCat(begin, "--upload-pack=x ", kTwo, "\n\n"),
        absl::StrCat(begin, kTwo, " ", std::string(kBundleHeaderBytesMax, 'x'), "\n\n")}) {
    EXPECT_EQ(ParseBundleHeader(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text.substr(0, 200);
  }
}

TEST(BundleHeaderTest, WhatIsNeededIsLimited) {
  std::string text = "# v2 git bundle\n";
  for (size_t i = 0; i < kBundlePrerequisitesMax; ++i) absl::StrAppend(&text, "-", kOne, "\n");
  const std::string end = absl::StrCat(kTwo, " HEAD\n\n");
  EXPECT_TRUE(ParseBundleHeader(absl::StrCat(text, end)).ok());
  EXPECT_FALSE(ParseBundleHeader(absl::StrCat(text, "-", kOne, "\n", end)).ok());
}

}  // namespace
}  // namespace glovebox

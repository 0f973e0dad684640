#include "tools/glovebox/repository_argument.h"

#include <gtest/gtest.h>

#include <set>

namespace glovebox {
namespace {

absl::StatusOr<RepositoryArgument> Parse(absl::string_view text, std::set<std::string> paths = {}) {
  return ParseRepositoryArgument(text, "/home/me",
                                 [&](const std::string& path) { return paths.count(path) != 0; });
}

void ExpectSplit(const absl::StatusOr<RepositoryArgument>& got, const std::string& path,
                 const std::string& commit) {
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->path, path);
  EXPECT_EQ(got->commit, commit);
}

TEST(RepositoryArgumentTest, SplitsAtTheLastAt) {
  ExpectSplit(Parse("/src/zlib"), "/src/zlib", "");
  ExpectSplit(Parse("/src/zlib@v1.3"), "/src/zlib", "v1.3");
  ExpectSplit(Parse("/src/a@b@main"), "/src/a@b", "main");
}

TEST(RepositoryArgumentTest, APathThatExistsAsAWholeIsNotSplit) {
  ExpectSplit(Parse("/src/a@b", {"/src/a@b"}), "/src/a@b", "");
  ExpectSplit(Parse("a@b", {"/home/me/a@b"}), "/home/me/a@b", "");
}

TEST(RepositoryArgumentTest, ARelativePathIsMadeAbsolute) {
  ExpectSplit(Parse(".@main"), "/home/me/.", "main");
  ExpectSplit(Parse("zlib"), "/home/me/zlib", "");
}

TEST(RepositoryArgumentTest, RefusesEmptyParts) {
  for (const char* text : {"", "@main", "/src/zlib@", "@"}) {
    EXPECT_EQ(Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace glovebox

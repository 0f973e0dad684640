#include "snapshot/manifest.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "base/sha256.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

using Mark = TreeEntry::Mark;

TreeEntry File(const std::string& path, char content) {
  return {path, S_IFREG | 0644, 1000, 1000, std::string(64, content), Mark::kNone};
}
TreeEntry Directory(const std::string& path, Mark mark = Mark::kNone) {
  return {path, S_IFDIR | 0755, 1000, 1000, "", mark};
}
TreeEntry Whiteout(const std::string& path) { return {path, 0, 0, 0, "", Mark::kWhiteout}; }

TEST(Manifest, OrderIsThatOfTheWalk) {
  const std::vector<std::string> walk = {"a", "a/b", "a/b/c", "a/c", "a-", "a.txt", "aa", "b\xff"};
  for (size_t i = 0; i < walk.size(); ++i) {
    for (size_t j = 0; j < walk.size(); ++j) {
      EXPECT_EQ(WalksBefore(walk[i], walk[j]), i < j) << walk[i] << " " << walk[j];
    }
  }
}

TEST(Manifest, EntryTakesThePlaceOfTheOneBelow) {
  const Manifest merged = MergeLayer({File("a", '1'), File("b", '1')}, {File("b", '2')});
  EXPECT_EQ(merged, (Manifest{File("a", '1'), File("b", '2')}));
}

TEST(Manifest, DirectoriesMergeAndTakeTheUpperMode) {
  TreeEntry changed = Directory("d");
  changed.mode = S_IFDIR | 0700;
  const Manifest merged =
      MergeLayer({Directory("d"), File("d/x", '1')}, {changed, File("d/y", '2')});
  EXPECT_EQ(merged, (Manifest{changed, File("d/x", '1'), File("d/y", '2')}));
}

TEST(Manifest, WhiteoutRemovesTheNameAndAllBelowButNotItsNeighbours) {
  const Manifest below = {Directory("d"), File("d/a", '1'), Directory("d/e"), File("d/e/y", '1'),
                          File("d.txt", '1')};
  EXPECT_EQ(MergeLayer(below, {Whiteout("d")}), (Manifest{File("d.txt", '1')}));
  EXPECT_EQ(MergeLayer(below, {Directory("d"), Whiteout("d/e"), Whiteout("d/nothing")}),
            (Manifest{Directory("d"), File("d/a", '1'), File("d.txt", '1')}));
}

TEST(Manifest, OpaqueDirectoryHidesWhatIsBelowIt) {
  const Manifest merged = MergeLayer({Directory("d"), File("d/x", '1'), File("e", '1')},
                                     {Directory("d", Mark::kOpaque), File("d/y", '2')});
  EXPECT_EQ(merged, (Manifest{Directory("d"), File("d/y", '2'), File("e", '1')}));
}

TEST(Manifest, FileInPlaceOfADirectoryRemovesTheSubtreeAndBack) {
  EXPECT_EQ(MergeLayer({Directory("d"), File("d/x", '1'), File("e", '1')}, {File("d", '2')}),
            (Manifest{File("d", '2'), File("e", '1')}));
  EXPECT_EQ(MergeLayer({File("d", '1')}, {Directory("d"), File("d/x", '2')}),
            (Manifest{Directory("d"), File("d/x", '2')}));
}

TEST(Manifest, FormattedManifestIsReadBackUnchanged) {
  TreeEntry link{"l\n\xff", S_IFLNK | 0777, 0, 65535, std::string("t \n\xfe"), Mark::kNone};
  const Manifest manifest = {Directory("d", Mark::kOpaque),
                             File("d/a b", 'a'),
                             link,
                             {"p", S_IFIFO | 0600, 1, 2, "", Mark::kNone},
                             Whiteout("w")};
  const auto read = ParseManifest(FormatManifest(manifest));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, manifest);
  EXPECT_TRUE(ParseManifest(FormatManifest({}))->empty());
}

TEST(Manifest, HostileBytesAreRefused) {
  const std::string good = FormatManifest({Directory("d"), File("d/x", '1'), Whiteout("w")});
  ASSERT_TRUE(ParseManifest(good).ok());
  std::vector<std::string> hostile = {"", "x", good + "x", good.substr(0, good.size() - 1)};
  const std::vector<std::pair<std::string, std::string>> replacements = {
      {"d/x", "c/x"},        {"d/x", "d//x"},      {"d/x", "../x"},
      {"d/x", "/x"},         {"d/x", "."},         {"d/x", "d/y/x"},
      {"d/x", "e/x"},        {" w", " d"},         {"w 0 ", "w 1 "},
      {"- 81a4", "o 81a4"},  {"- 81a4", "z 81a4"}, {"- 81a4", "- 21a4"},
      {"- 81a4", "- 081a4"}, {"- 81a4", "- 81A4"}, {"1000 d/x", "99999999999 d/x"},
      {"1111", "111g"},      {"1000 d/x", " d/x"}, {"manifest-1", "manifest-2"}};
  for (const auto& replacement : replacements) {
    hostile.push_back(absl::StrReplaceAll(good, {replacement}));
    ASSERT_NE(hostile.back(), good) << replacement.first;
  }
  for (const std::string& bytes : hostile) {
    EXPECT_EQ(ParseManifest(bytes).status().code(), absl::StatusCode::kDataLoss) << bytes;
  }
}

}  // namespace
}  // namespace glovebox

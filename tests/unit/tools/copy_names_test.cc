#include "tools/glovebox/copy_names.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(CopyNamesTest, AColonBeforeAnySlashMarksASandbox) {
  EXPECT_EQ(*ParseCopyPlace("3f2a:/etc/passwd")->sandbox, "3f2a");
  EXPECT_EQ(ParseCopyPlace("3f2a:a:b")->path, "a:b");
  EXPECT_FALSE(ParseCopyPlace("./a:b")->sandbox.has_value());
  EXPECT_FALSE(ParseCopyPlace("/a:b")->sandbox.has_value());
  EXPECT_FALSE(ParseCopyPlace("-")->sandbox.has_value());
  EXPECT_FALSE(ParseCopyPlace("3f2a:").ok());
  EXPECT_FALSE(ParseCopyPlace("").ok());
}

void ExpectSource(absl::string_view path, const std::string& directory, const std::string& name) {
  const CopySource source = SplitSource(path);
  EXPECT_EQ(source.directory, directory) << path;
  EXPECT_EQ(source.name, name) << path;
}

TEST(CopyNamesTest, ASourceIsADirectoryAndANameInIt) {
  ExpectSource("file", ".", "file");
  ExpectSource("/file", "/", "file");
  ExpectSource("a/b", "a", "b");
  ExpectSource("a/b/", "a", "b");
  ExpectSource("a/.", "a/.", ".");
  ExpectSource("/", "/", ".");
  ExpectSource(".", ".", ".");
  EXPECT_TRUE(SplitSource("a/b/").must_be_directory);
  EXPECT_FALSE(SplitSource("a/b").must_be_directory);
}

void ExpectTarget(absl::string_view from, bool is_directory, absl::string_view to,
                  DestinationKind kind, const std::string& directory, const std::string& name) {
  const auto target = PlanTarget(SplitSource(from), is_directory, to, kind);
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->directory, directory) << from << " " << to;
  EXPECT_EQ(target->name, name) << from << " " << to;
}

TEST(CopyNamesTest, TargetsFollowDockersTable) {
  ExpectTarget("a/f", false, "new", DestinationKind::kMissing, ".", "new");
  ExpectTarget("a/f", false, "x/old", DestinationKind::kFile, "x", "old");
  ExpectTarget("a/f", false, "dir/", DestinationKind::kDirectory, "dir", "f");
  ExpectTarget("a/d", true, "x/new", DestinationKind::kMissing, "x", "new");
  ExpectTarget("a/d", true, "dir", DestinationKind::kDirectory, "dir", "d");
  ExpectTarget("a/d/.", true, "dir", DestinationKind::kDirectory, "dir", ".");
  ExpectTarget("a/d/.", true, "/new", DestinationKind::kMissing, "/", "new");
  EXPECT_FALSE(PlanTarget(SplitSource("d"), true, "f", DestinationKind::kFile).ok());
  EXPECT_FALSE(PlanTarget(SplitSource("f"), false, "no/", DestinationKind::kMissing).ok());
}

TEST(CopyNamesTest, MembersAreRenamedAtTheTop) {
  EXPECT_EQ(*RenameMember("d/a/b", "d", "new"), "new/a/b");
  EXPECT_EQ(*RenameMember("./d/a/", "d", "new"), "new/a");
  EXPECT_EQ(*RenameMember("./a", ".", "new"), "new/a");
  EXPECT_EQ(*RenameMember("./", ".", "new"), "new");
  EXPECT_EQ(*RenameMember("./a", ".", "."), "a");
  EXPECT_EQ(*RenameMember("./", ".", "."), "");
}

TEST(CopyNamesTest, MembersThatLeadElsewhereAreRefused) {
  for (const char* member : {"", "/etc/passwd", "../x", "d/../../x", "d/..", "other/x", "dx/y"}) {
    EXPECT_FALSE(RenameMember(member, "d", "new").ok()) << member;
  }
  EXPECT_FALSE(RenameMember(absl::string_view("d/a\0b", 5), "d", "new").ok());
}

}  // namespace
}  // namespace glovebox

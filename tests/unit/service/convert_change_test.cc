#include "service/convert_change.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(ScopeFromProto, EmptyIsTheWorkdirAndSlashIsTheRoot) {
  EXPECT_EQ(ScopeFromProto("", "/workspace")->root, "workspace");
  EXPECT_EQ(ScopeFromProto("/", "/workspace")->root, "");
}

TEST(ScopeFromProto, PathsInTheWorkdirAreToldRelativeToItOthersToTheRoot) {
  for (const char* path : {"src", "/workspace/src", "src/"}) {
    const auto scope = ScopeFromProto(path, "/workspace");
    ASSERT_TRUE(scope.ok()) << path;
    EXPECT_EQ(scope->root, "workspace") << path;
    EXPECT_EQ(scope->prefix, "src") << path;
  }
  EXPECT_EQ(ScopeFromProto("/etc", "/workspace")->root, "");
  EXPECT_EQ(ScopeFromProto("/etc", "/workspace")->prefix, "etc");
  EXPECT_EQ(ScopeFromProto("/workspace", "/workspace")->prefix, "");
}

TEST(ScopeFromProto, RefusesToLeaveTheRoot) {
  for (const char* path : {"..", "/../etc", "a/../../b", "//"}) {
    EXPECT_FALSE(ScopeFromProto(path, "/workspace").ok()) << path;
  }
}

TEST(ChangeScope, ContainsWholeComponentsOnly) {
  const ChangeScope scope{"workspace", "src"};
  EXPECT_TRUE(scope.Contains("src"));
  EXPECT_TRUE(scope.Contains("src/a.c"));
  EXPECT_FALSE(scope.Contains("src2/a.c"));
}

TEST(ChangeToProto, AbsentSidesStayAbsent) {
  Change added;
  added.path = "a\xff";
  added.letter = ChangeLetter::kAdded;
  added.new_mode = kModeSymlink;
  added.symlink_target = "t";
  const v1::Change proto = ToProto(added);
  EXPECT_EQ(proto.path(), "a\xff");
  EXPECT_FALSE(proto.has_old_mode());
  EXPECT_FALSE(proto.has_new_size_bytes());
  EXPECT_EQ(proto.symlink_target(), "t");
  EXPECT_EQ(proto.type(), v1::FILE_TYPE_SYMLINK);
}

TEST(DiffSummaryToProto, NamesAtMostAThousandSkippedFilesAndCountsAll) {
  PatchSummary summary;
  summary.skipped.resize(1500);
  const v1::DiffSummary proto = ToProto(summary);
  EXPECT_EQ(proto.skipped_size(), 1000);
  EXPECT_EQ(proto.skipped_count(), 1500u);
}

}  // namespace
}  // namespace glovebox

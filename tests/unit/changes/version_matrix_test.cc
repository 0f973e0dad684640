#include "changes/version_matrix.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "changes/upper_scan.h"
#include "gtest/gtest.h"
#include "tests/unit/changes/scratch_tree.h"

namespace glovebox {
namespace {

class VersionMatrixTest : public ::testing::Test {
 protected:
  VersionMatrixTest() {
    tree_.MakeDir("base");
    for (const char* upper : {"0", "1", "2"}) tree_.MakeDir(upper);
  }
  absl::Status AddAll(VersionMatrix* matrix) {
    const UniqueFd base = tree_.OpenDir("base");
    for (size_t i = 0; i < 3; ++i) {
      const UniqueFd upper = tree_.OpenDir(absl::StrCat(i));
      const Layers layers{upper.get(), {base.get()}, ""};
      const auto scan = ScanUpper(layers, {}, clock_);
      RETURN_IF_ERROR(scan.status());
      if (i == 0 && !gone_.empty()) (void)::unlink(tree_.Path(gone_).c_str());
      RETURN_IF_ERROR(matrix->Add(i, layers, scan->changes));
    }
    return absl::OkStatus();
  }
  // "path 1 0 2", a line each.
  std::string Rows() {
    VersionMatrix matrix(3, paths_max_, limits_, clock_);
    const absl::Status status = AddAll(&matrix);
    EXPECT_TRUE(status.ok()) << status;
    cut_ = matrix.cut();
    std::string out;
    for (const auto& row : matrix.Take()) {
      absl::StrAppend(&out, row.path, " ", absl::StrJoin(row.versions, " "), "\n");
    }
    return out;
  }

  ScratchTree tree_;
  CompareLimits limits_;
  RealClock clock_;
  size_t paths_max_ = 1000;
  bool cut_ = false;
  std::string gone_;
};

TEST_F(VersionMatrixTest, EqualNumbersMeanEqualContentModeAndType) {
  tree_.Write("base/deleted", "x");
  for (const char* upper : {"0", "2"}) {
    tree_.Write(absl::StrCat(upper, "/deleted"), "");
    tree_.SetXattr(absl::StrCat(upper, "/deleted"), "user.overlay.whiteout", "y");
  }
  tree_.Write("0/content", "a");
  tree_.Write("1/content", "b");
  tree_.Write("2/content", "a", 0664);  // a bit that git does not see
  tree_.Write("0/mode", "a");
  tree_.Write("1/mode", "a", 0755);
  tree_.Write("0/type", "a");
  tree_.Link("a", "1/type");
  tree_.Fifo("2/type");
  tree_.Write("1/only", "a");
  EXPECT_EQ(Rows(), "content 1 2 1\ndeleted 1 0 1\nmode 1 2 0\nonly 0 1 0\ntype 1 2 3\n");
  EXPECT_FALSE(cut_);
}

TEST_F(VersionMatrixTest, TheFirstPathsInByteOrderAreKept) {
  tree_.Write("0/d", "x");
  tree_.Write("0/b", "x");
  tree_.Write("1/a", "x");
  tree_.Write("2/b", "x");
  tree_.Write("2/c", "x");
  paths_max_ = 2;
  EXPECT_EQ(Rows(), "a 0 1 0\nb 1 0 1\n");
  EXPECT_TRUE(cut_);
  paths_max_ = 4;
  EXPECT_EQ(Rows(), "a 0 1 0\nb 1 0 1\nc 0 0 1\nd 1 0 0\n");
  EXPECT_FALSE(cut_);
}

TEST_F(VersionMatrixTest, WhatIsTooLargeOrGoneIsEqualToNothing) {
  for (const char* upper : {"0", "1", "2"}) {
    tree_.Write(absl::StrCat(upper, "/gone"), "x");
    tree_.Write(absl::StrCat(upper, "/large"), "0123456789");
  }
  gone_ = "0/gone";
  limits_.file_bytes_max = 9;
  EXPECT_EQ(Rows(), "gone 1 2 2\nlarge 1 2 3\n");
}

TEST_F(VersionMatrixTest, LimitsAreTypedErrors) {
  tree_.Write("1/file", "0123456789");
  limits_.read_bytes_max = 9;
  VersionMatrix bytes(3, 10, limits_, clock_);
  EXPECT_EQ(GetErrorDetail(AddAll(&bytes))->metadata.at("limit"), "read_bytes");
  limits_ = {};
  limits_.time_ms_max = -1;
  VersionMatrix time(3, 10, limits_, clock_);
  EXPECT_EQ(GetErrorDetail(AddAll(&time))->metadata.at("limit"), "time_ms");
}

TEST_F(VersionMatrixTest, TimeAndReadingAreLimitedWhenNoPathIsKeptAndBeforeAnyIsAdded) {
  tree_.Write("0/file", "0123456789");
  limits_.time_ms_max = -1;
  VersionMatrix time(3, 0, limits_, clock_);
  EXPECT_LE(time.ms_left(), 0);
  EXPECT_EQ(GetErrorDetail(time.CheckTime())->reason, "TOO_MANY_CHANGES");
  EXPECT_EQ(GetErrorDetail(AddAll(&time))->reason, "TOO_MANY_CHANGES");
  limits_ = {};
  limits_.read_bytes_max = 19;
  VersionMatrix bytes(3, 10, limits_, clock_);
  EXPECT_TRUE(bytes.ChargeRead(10).ok());
  EXPECT_EQ(bytes.read_bytes_left(), 9u);
  EXPECT_EQ(GetErrorDetail(AddAll(&bytes))->metadata.at("limit"), "read_bytes");
}

}  // namespace
}  // namespace glovebox

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "tests/kernel/changes/overlay_tree.h"
#include "tests/kernel/changes/swapper.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kCanary = "CANARY-d41d8cd98f00b204-CANARY";

class HostileScanTest : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_UNLESS(EnterPrivateMounts(), "needs CAP_SYS_ADMIN for mounts"); }
  OverlayTree overlay_;
};

void WriteFile(const std::string& path, absl::string_view content) {
  std::ofstream(path, std::ios::binary) << std::string(content);
}

TEST_F(HostileScanTest, SwappedLinksDirectoriesAndFifosNeverLeadOutOrBlock) {
  const std::string outside = overlay_.Path("outside");
  fs::create_directories(outside);
  WriteFile(outside + "/file", kCanary);
  for (const char* dir : {"d", "f"}) fs::create_directories(overlay_.Path("base/workspace/") + dir);
  WriteFile(overlay_.Path("base/workspace/d/file"), std::string(kCanary.size(), 'x'));
  overlay_.Mount();
  Swapper swapper(overlay_.Path("upper1/workspace"), outside, std::string(kCanary.size(), 'y'));
  swapper.Begin();
  int written = 0;
  int aborted = 0;
  for (int round = 0; round < 300; ++round) {
    const auto scan = overlay_.Scan();
    if (absl::IsAborted(scan.status())) {
      ++aborted;
      continue;
    }
    ASSERT_TRUE(scan.ok()) << scan.status();
    std::string patch;
    const auto summary = overlay_.WritePatch(scan->changes, {}, &patch);
    ASSERT_TRUE(summary.ok() || absl::IsAborted(summary.status())) << summary.status();
    written += summary.ok() ? 1 : 0;
    ASSERT_EQ(patch.find(std::string(kCanary)), std::string::npos) << patch;
  }
  EXPECT_GT(written, 0);
  RecordProperty("aborted", aborted);
}

TEST_F(HostileScanTest, ATreeOf10000LevelsIsWalkedOrRefusedByItsLimit) {
  overlay_.Mount();
  const std::string work = overlay_.Path("upper1/workspace");
  fs::create_directories(work);
  UniqueFd dir(::open(work.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string name(250, 'n');
  for (int depth = 1; depth <= 10'000; ++depth) {
    // A sibling that sorts behind: the walk has to come back to this level.
    if (depth % 1000 == 0) {
      const UniqueFd file(::openat(dir.get(), "z", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
      ASSERT_TRUE(file.valid());
    }
    ASSERT_EQ(::mkdirat(dir.get(), name.c_str(), 0755), 0);
    dir.Reset(::openat(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(dir.valid());
  }
  const auto refused = overlay_.Scan();
  ASSERT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_EQ(GetErrorDetail(refused.status())->metadata.at("limit"), "path_bytes");

  ScanOptions options;
  options.limits.path_bytes_max = 4u << 20;
  options.limits.time_ms_max = 600'000;  // emulated machines are slow
  const auto scan = overlay_.Scan(options);
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(scan->changes.size(), 11u);  // ten files and the empty directory at the bottom
  std::string patch;
  const auto summary = overlay_.WritePatch(scan->changes, {}, &patch);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->skipped.size(), 11u);
}

TEST_F(HostileScanTest, MoreNamesThanTheLimitAreRefused) {
  overlay_.Mount();
  const std::string work = overlay_.Path("upper1/workspace");
  fs::create_directories(work);
  for (int i = 0; i < 2000; ++i) WriteFile(absl::StrCat(work, "/", i), "");
  ScanOptions options;
  options.limits.entries_max = 1999;
  const auto scan = overlay_.Scan(options);
  ASSERT_TRUE(absl::IsResourceExhausted(scan.status())) << scan.status();
  EXPECT_EQ(GetErrorDetail(scan.status())->metadata.at("limit"), "entries");
}

}  // namespace
}  // namespace glovebox

#include "tests/kernel/changes/overlay_tree.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/kernel/changes/git_store.h"

namespace glovebox {

bool EnterPrivateMounts() {
  static const bool entered = ::unshare(CLONE_NEWNS) == 0 &&
                              ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return entered;
}

OverlayTree::OverlayTree() {
  char name[] = "/tmp/glovebox-overlay-XXXXXX";
  root_ = ::mkdtemp(name);
  std::filesystem::create_directories(Path("base/workspace"));
  std::filesystem::create_directories(Path("merged"));
}

OverlayTree::~OverlayTree() {
  if (mounted_) {
    EXPECT_EQ(::umount2(Path("merged").c_str(), MNT_DETACH), 0);
  }
  // Not remove_all: some tests nest deeper than it can recurse.
  (void)RunCommand(absl::StrCat("rm -rf --one-file-system ", root_));
}

void OverlayTree::Mount() {
  if (mounted_) {
    ASSERT_EQ(::umount(Path("merged").c_str()), 0) << std::strerror(errno);
  }
  lowers_.insert(lowers_.begin(), lowers_.empty() ? Path("base") : upper_);
  upper_ = Path(absl::StrCat("upper", lowers_.size()));
  const std::string work = Path(absl::StrCat("work", lowers_.size()));
  std::filesystem::create_directories(upper_);
  std::filesystem::create_directories(work);
  const std::string options = absl::StrCat("userxattr,lowerdir=", absl::StrJoin(lowers_, ":"),
                                           ",upperdir=", upper_, ",workdir=", work);
  ASSERT_EQ(::mount("overlay", Path("merged").c_str(), "overlay", 0, options.c_str()), 0)
      << std::strerror(errno);
  mounted_ = true;
}

Layers OverlayTree::Open(std::vector<UniqueFd>* owned) const {
  Layers layers;
  layers.root = "workspace";
  const auto open = [&](const std::string& path) {
    owned->emplace_back(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return owned->back().get();
  };
  layers.upper_fd = open(upper_);
  for (const std::string& lower : lowers_) layers.lower_fds.push_back(open(lower));
  return layers;
}

absl::StatusOr<ScanResult> OverlayTree::Scan(const ScanOptions& options) const {
  std::vector<UniqueFd> owned;
  return ScanUpper(Open(&owned), options, RealClock());
}

absl::StatusOr<RenameResult> OverlayTree::FindRenames(std::vector<Change> changes) const {
  std::vector<UniqueFd> owned;
  return glovebox::FindRenames(Open(&owned), std::move(changes), {}, RealClock());
}

absl::StatusOr<PatchSummary> OverlayTree::WritePatch(const std::vector<Change>& changes,
                                                     const PatchLimits& limits,
                                                     std::string* patch) const {
  std::vector<UniqueFd> owned;
  return glovebox::WritePatch(Open(&owned), changes, limits, RealClock(),
                              [patch](absl::string_view bytes) {
                                patch->append(bytes.data(), bytes.size());
                                return absl::OkStatus();
                              });
}

}  // namespace glovebox

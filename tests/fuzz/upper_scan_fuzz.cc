// Any directory that a payload can leave behind in its overlay's upper, and any lower below it.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

#include "base/status.h"
#include "changes/patch_writer.h"
#include "changes/renames.h"
#include "changes/text_hunks.h"
#include "changes/upper_scan.h"
#include "linux/file_io.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

constexpr int kStepsMax = 40;
constexpr const char* kSides[] = {"upper", "lower0", "lower1"};
constexpr const char* kNames[] = {"a", "b",     "c",           "dir",  ".git",  ".GIT ",
                                  "d", ".wh.a", ".wh..wh.opq", "x\ny", "\"q\"", "\xff\xfe",
                                  " ", "git~1", ".gitmodules", "-rf"};
constexpr const char* kXattrs[] = {"user.overlay.opaque", "user.overlay.whiteout",
                                   "user.overlay.redirect", "user.overlay.metacopy"};

std::string PathOf(FuzzInput* input, const std::string& top) {
  std::string path = top + "/" + kSides[input->Byte() % std::size(kSides)];
  for (int depth = 1 + input->Byte() % 3; depth > 0; --depth) {
    path += std::string("/") + kNames[input->Byte() % std::size(kNames)];
  }
  return path;
}

// One change; what does not work (no parent, a file in the way) changes nothing.
void Step(FuzzInput* input, const std::string& top) {
  const uint8_t what = input->Byte();
  const std::string path = PathOf(input, top);
  std::error_code none;
  switch (what % 8) {
    case 0:
    case 1:
      (void)::mkdir(path.c_str(), what & 8 ? 0700 : 0755);
      return;
    case 2:
    case 3: {
      const auto fd = OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK,
                             what & 8 ? 0755 : 0644);
      if (fd.ok()) (void)WriteAll(fd->get(), input->Text());
      return;
    }
    case 4:
      fs::create_symlink(input->Text() + "x", path, none);
      return;
    case 5:
      (void)::mknod(path.c_str(), what & 8 ? S_IFCHR : S_IFIFO | 0600, 0);
      return;
    case 6: {
      const char* value = what & 8 ? "y" : "";
      (void)::lsetxattr(path.c_str(), kXattrs[(what >> 4) % std::size(kXattrs)], value,
                        std::strlen(value), 0);
      return;
    }
    default:
      fs::create_hard_link(path, PathOf(input, top), none);
  }
}

void CheckPatch(const Layers& layers, const std::vector<Change>& changes) {
  uint64_t bytes = 0;
  const auto patch =
      WritePatch(layers, changes, PatchLimits{}, RealClock(), [&bytes](absl::string_view piece) {
        bytes += piece.size();
        return absl::OkStatus();
      });
  if (!patch.ok()) {
    const auto detail = GetErrorDetail(patch.status());
    Demand(detail.has_value() && detail->reason == "OVERLAY_FEATURE",
           "changes of a tree at rest have a patch");
    return;
  }
  Demand(patch->output_bytes == bytes, "the patch is as long as it says");
  Demand(patch->files.size() + patch->skipped.size() <= changes.size(), "each file is a change");
}

void CheckScan(const Layers& layers) {
  const RealClock clock;
  const auto scan = ScanUpper(layers, ScanOptions{}, clock);
  if (!scan.ok()) {
    Demand(GetErrorDetail(scan.status()).has_value(), "a scan that fails says why");
    return;
  }
  const std::string* last = nullptr;
  for (const Change& change : scan->changes) {
    Demand(!change.path.empty() && change.path[0] != '/', "paths are relative");
    Demand(change.path != ".git" && change.path.rfind(".git/", 0) != 0, ".git is left out");
    Demand(last == nullptr || *last <= change.path, "changes are sorted");
    last = &change.path;
  }
  auto renames = FindRenames(layers, scan->changes, RenameLimits{}, clock);
  Demand(renames.ok() || GetErrorDetail(renames.status())->reason == "OVERLAY_FEATURE",
         "renames of a tree at rest are found");
  if (!renames.ok()) return;
  Demand(renames->changes.size() <= scan->changes.size(), "a rename is two changes in one");
  CheckPatch(layers, scan->changes);
  CheckPatch(layers, renames->changes);
}

}  // namespace

void FuzzUpperScan(absl::string_view bytes) {
  // Else each patch would start libgit2 anew, which takes most of the time.
  static const TextDiffer libgit2_stays_open;
  static const TemporaryDirectory directory;
  const std::string& top = directory.path();
  for (const char* side : kSides) {
    fs::remove_all(fs::path(top) / side);
    fs::create_directory(fs::path(top) / side);
  }
  FuzzInput input(bytes);
  for (int i = 0; i < kStepsMax && !input.empty(); ++i) Step(&input, top);
  const auto open = [&top](const char* side) {
    return *OpenAt(AT_FDCWD, top + "/" + side, O_RDONLY | O_DIRECTORY);
  };
  const UniqueFd upper = open("upper");
  const UniqueFd lower0 = open("lower0");
  const UniqueFd lower1 = open("lower1");
  CheckScan({upper.get(), {lower0.get(), lower1.get()}, ""});
  CheckScan({upper.get(), {lower0.get(), lower1.get()}, "dir"});
}

}  // namespace glovebox

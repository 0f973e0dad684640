// Times the scan and the patch against git on the same tree: 1, 100 and 5,000 changes.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/kernel/changes/git_store.h"
#include "tests/kernel/changes/overlay_tree.h"

namespace glovebox {
namespace {

template <typename Work>
double BestMs(int times, Work work) {
  double best = 1e9;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

std::string FileName(int i) { return absl::StrCat("dir", i % 100, "/sub", i % 7, "/file", i); }

int Main(int files) {
  if (!EnterPrivateMounts()) return 1;
  OverlayTree overlay;
  for (int i = 0; i < files; ++i) {
    const std::filesystem::path path = overlay.Path("base/workspace/") + FileName(i);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path);
    for (int line = 0; line < 100; ++line) out << "line " << line << " of file " << i << "\n";
  }
  GitStore git(overlay.Path("."));
  overlay.Mount();
  const std::string work = overlay.Work();
  (void)git.Git(work, "bench", "add -A .");
  int done = 0;
  for (int changes : {1, 100, 5000}) {
    for (; done < changes; ++done) {
      std::ofstream(absl::StrCat(work, "/", FileName(done)), std::ios::app) << "changed\n";
    }
    ScanResult scan;
    std::string patch;
    const double scan_ms = BestMs(5, [&] { scan = overlay.Scan().value(); });
    const double patch_ms = BestMs(5, [&] {
      patch.clear();
      (void)overlay.WritePatch(scan.changes, {}, &patch).value();
    });
    const double status_ms =
        BestMs(5, [&] { (void)git.Git(work, "bench", "--no-optional-locks status --porcelain"); });
    const double diff_ms =
        BestMs(5, [&] { (void)git.Git(work, "bench", "diff-files --binary --full-index -p"); });
    const double walk_ms = BestMs(5, [&] {
      (void)RunCommand(absl::StrCat("find ", overlay.Path("upper1"), " -size -1000000"));
    });
    std::printf(
        "%5d changes (%zu listed): scan %.2f ms, patch %.2f ms, git status %.1f ms, "
        "git diff %.1f ms, find over the upper %.1f ms\n",
        changes, scan.changes.size(), scan_ms, patch_ms, status_ms, diff_ms, walk_ms);
  }
  return 0;
}

}  // namespace
}  // namespace glovebox

int main(int argc, char** argv) { return glovebox::Main(argc > 1 ? std::atoi(argv[1]) : 10'000); }

// The promise of the change list and the patch, checked against git.
#ifndef GLOVEBOX_TESTS_KERNEL_CHANGES_ROUND_TRIP_H_
#define GLOVEBOX_TESTS_KERNEL_CHANGES_ROUND_TRIP_H_

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/kernel/changes/git_store.h"
#include "tests/kernel/changes/overlay_tree.h"

namespace glovebox {

// In git's words: what git does not track is left out.
inline std::string NameStatusOf(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes) {
    const uint32_t mode = change.new_mode == kModeAbsent ? change.old_mode : change.new_mode;
    if (mode == kModeDirectory || IsSpecialMode(mode)) continue;
    out.push_back(static_cast<char>(change.letter));
    out.push_back('\0');
    out.append(change.path).push_back('\0');
  }
  return out;
}

// Expects that the list is git's own, and that the patch, without renames and with them, leads from
// `base_tree` to what the overlay shows, whose tree is returned.
inline std::string ExpectRoundTrip(const OverlayTree& overlay, GitStore* git,
                                   const std::string& base_tree, const PatchLimits& limits = {}) {
  const auto scan = overlay.Scan();
  EXPECT_TRUE(scan.ok()) << scan.status();
  const std::string new_tree = git->TreeOf(overlay.Work());
  if (!scan.ok()) return new_tree;
  EXPECT_EQ(NameStatusOf(scan->changes), git->NameStatus(base_tree, new_tree));
  const auto renames = overlay.FindRenames(scan->changes);
  EXPECT_TRUE(renames.ok()) << renames.status();
  if (!renames.ok()) return new_tree;
  for (const std::vector<Change>* changes : {&scan->changes, &renames->changes}) {
    SCOPED_TRACE(changes == &scan->changes ? "without renames" : "with renames");
    std::string patch;
    const auto summary = overlay.WritePatch(*changes, limits, &patch);
    EXPECT_TRUE(summary.ok()) << summary.status();
    const std::string file = overlay.Path("patch");
    std::ofstream(file, std::ios::binary | std::ios::trunc) << patch;
    EXPECT_EQ(git->TreeAfterPatch(base_tree, file), new_tree);
  }
  return new_tree;
}

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_CHANGES_ROUND_TRIP_H_

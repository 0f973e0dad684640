// A tree in memory, and the same on disk for git.
#ifndef GLOVEBOX_TESTS_UNIT_PATCH_MAP_TREE_H_
#define GLOVEBOX_TESTS_UNIT_PATCH_MAP_TREE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "patch/patch_plan.h"

namespace glovebox {

// Files and links by path; directories are what is above them.
using Files = std::map<std::string, PatchedEntry>;

class MapTree final : public TreeView {
 public:
  explicit MapTree(Files files) : files_(std::move(files)) {}
  absl::StatusOr<std::optional<PatchedEntry>> Read(const std::string& path) override;

  void Apply(const std::vector<PlannedChange>& changes);
  const Files& files() const { return files_; }

 private:
  Files files_;
};

PatchedEntry File(std::string content, uint32_t mode = 0644);
PatchedEntry Link(std::string target);

// Into `directory`, which is made, and back. Names that begin with ".git" are left out.
void WriteFiles(const std::string& directory, const Files& files);
Files ReadFiles(const std::string& directory);

// What the patch makes of the files.
absl::StatusOr<Files> Patched(const Files& files, absl::string_view patch, uint32_t fuzz = 0,
                              std::vector<HunkReport>* reports = nullptr);

std::string Describe(const Files& files);

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_UNIT_PATCH_MAP_TREE_H_

// The real git as judge: trees of directories, differences of trees, patches applied.
#ifndef GLOVEBOX_TESTS_KERNEL_CHANGES_GIT_STORE_H_
#define GLOVEBOX_TESTS_KERNEL_CHANGES_GIT_STORE_H_

#include <string>

namespace glovebox {

struct CommandResult {
  int exit_code = -1;
  std::string output;  // both streams
};
// By the shell; only for the test's own fixed words and paths below its scratch directory.
CommandResult RunCommand(const std::string& command);

class GitStore {
 public:
  // Keeps its objects and indexes in the existing directory `path`.
  explicit GitStore(const std::string& path);

  // The id of the tree that `git add -A` makes of `directory`.
  std::string TreeOf(const std::string& directory);
  // Checks `tree` out into a new directory, applies the patch file with `git apply --index` and
  // returns the id of the tree in the index; also expects the files to agree with that index.
  std::string TreeAfterPatch(const std::string& tree, const std::string& patch_file);
  // "A path\0" and so on: `git diff-tree --name-status --no-renames -z`.
  std::string NameStatus(const std::string& old_tree, const std::string& new_tree);
  CommandResult Git(const std::string& directory, const std::string& index,
                    const std::string& arguments);

 private:
  std::string path_;
  int next_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_CHANGES_GIT_STORE_H_

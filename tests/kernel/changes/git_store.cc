#include "tests/kernel/changes/git_store.h"

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace glovebox {

CommandResult RunCommand(const std::string& command) {
  CommandResult result;
  FILE* pipe = ::popen(absl::StrCat("{ ", command, "; } 2>&1").c_str(), "re");
  if (pipe == nullptr) return result;
  char piece[65536];
  while (const size_t size = std::fread(piece, 1, sizeof(piece), pipe)) {
    result.output.append(piece, size);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

GitStore::GitStore(const std::string& path) : path_(path) {
  const CommandResult init =
      RunCommand(absl::StrCat("HOME=", path_, " git init -q --bare ", path_, "/store"));
  EXPECT_EQ(init.exit_code, 0) << init.output;
  EXPECT_EQ(Git(path_, "none", "config core.bare false").exit_code, 0);
}

CommandResult GitStore::Git(const std::string& directory, const std::string& index,
                            const std::string& arguments) {
  return RunCommand(absl::StrCat("cd ", directory, " && HOME=", path_,
                                 " GIT_CONFIG_NOSYSTEM=1 GIT_DIR=", path_,
                                 "/store GIT_WORK_TREE=", directory, " GIT_INDEX_FILE=", path_, "/",
                                 index, " git ", arguments));
}

std::string GitStore::TreeOf(const std::string& directory) {
  const std::string index = absl::StrCat("index", next_++);
  const CommandResult add = Git(directory, index, "add -A -f .");
  EXPECT_EQ(add.exit_code, 0) << add.output;
  const CommandResult tree = Git(directory, index, "write-tree");
  EXPECT_EQ(tree.exit_code, 0) << tree.output;
  return std::string(absl::StripAsciiWhitespace(tree.output));
}

std::string GitStore::TreeAfterPatch(const std::string& tree, const std::string& patch_file) {
  const std::string index = absl::StrCat("index", next_++);
  const std::string directory = absl::StrCat(path_, "/checkout", next_);
  std::filesystem::create_directories(directory);
  const CommandResult out = Git(directory, index, absl::StrCat("read-tree --reset -u ", tree));
  EXPECT_EQ(out.exit_code, 0) << out.output;
  if (std::filesystem::file_size(patch_file) > 0) {  // git apply refuses an empty one
    const CommandResult apply =
        Git(directory, index, absl::StrCat("apply --index --whitespace=nowarn ", patch_file));
    EXPECT_EQ(apply.exit_code, 0) << apply.output;
  }
  EXPECT_EQ(Git(directory, index, "diff-files --quiet").exit_code, 0);
  const CommandResult result = Git(directory, index, "write-tree");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  (void)RunCommand(absl::StrCat("rm -rf ", directory));
  return std::string(absl::StripAsciiWhitespace(result.output));
}

std::string GitStore::NameStatus(const std::string& old_tree, const std::string& new_tree) {
  const CommandResult diff =
      Git(path_, "none",
          absl::StrCat("diff-tree -r -z --name-status --no-renames ", old_tree, " ", new_tree));
  EXPECT_EQ(diff.exit_code, 0) << diff.output;
  return diff.output;
}

}  // namespace glovebox

#include "tests/unit/changes/scratch_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"

namespace glovebox {

ScratchTree::ScratchTree() {
  char name[] = "/tmp/glovebox-changes-XXXXXX";
  root_ = ::mkdtemp(name);
}

ScratchTree::~ScratchTree() { std::filesystem::remove_all(root_); }

void ScratchTree::MakeDir(const std::string& relative) const {
  std::filesystem::create_directories(Path(relative));
}

void ScratchTree::Write(const std::string& relative, const std::string& content,
                        unsigned mode) const {
  std::filesystem::create_directories(std::filesystem::path(Path(relative)).parent_path());
  std::ofstream(Path(relative), std::ios::binary) << content;
  EXPECT_EQ(::chmod(Path(relative).c_str(), mode), 0);
}

void ScratchTree::Link(const std::string& target, const std::string& relative) const {
  EXPECT_EQ(::symlink(target.c_str(), Path(relative).c_str()), 0);
}

void ScratchTree::Fifo(const std::string& relative) const {
  EXPECT_EQ(::mkfifo(Path(relative).c_str(), 0644), 0);
}

void ScratchTree::SetXattr(const std::string& relative, const char* name,
                           const std::string& value) const {
  EXPECT_EQ(::setxattr(Path(relative).c_str(), name, value.data(), value.size(), 0), 0)
      << "the file system of /tmp has no user extended attributes";
}

UniqueFd ScratchTree::OpenDir(const std::string& relative) const {
  return UniqueFd(::open(Path(relative).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::string Describe(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes) {
    absl::StrAppendFormat(&out, "%c %s %06o %06o\n", static_cast<char>(change.letter), change.path,
                          change.old_mode, change.new_mode);
  }
  return out;
}

}  // namespace glovebox

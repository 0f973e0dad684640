// One difference between what a sandbox started from (its lower layers) and what is there now.
#ifndef GLOVEBOX_CHANGES_CHANGE_H_
#define GLOVEBOX_CHANGES_CHANGE_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

namespace glovebox {

// git's letters. A type change between regular file and symbolic link is one kTypeChanged, as in
// `git diff --name-status`. Any other change of type (file or link <-> directory, anything <->
// FIFO, socket, device) is what git makes of it too: kDeleted for the old entry (or for every file
// below the old directory) and kAdded for the new.
enum class ChangeLetter : char {
  kAdded = 'A',
  kModified = 'M',
  kDeleted = 'D',
  kRenamed = 'R',  // only of FindRenames
  kTypeChanged = 'T',
};

// git's file modes; of permission bits git sees only the owner's execute bit.
inline constexpr uint32_t kModeAbsent = 0;
inline constexpr uint32_t kModeFile = 0100644;
inline constexpr uint32_t kModeExecutable = 0100755;
inline constexpr uint32_t kModeSymlink = 0120000;
inline constexpr uint32_t kModeDirectory = 0040000;

// Directories: git does not track them, and neither does the list, with one exception that keeps
// it exact: a new directory without any entry is kAdded, a removed one that was empty is kDeleted,
// both with mode kModeDirectory. A directory's permission bits are no change. A directory whose
// last file was deleted is seen by that file's kDeleted only.
//
// FIFOs, sockets and device nodes are listed with their type bits (S_IFIFO, S_IFSOCK, S_IFCHR,
// S_IFBLK) as mode and are never opened.
struct Change {
  std::string path;  // bytes, relative to the root of the walk, no leading or double slash
  ChangeLetter letter = ChangeLetter::kModified;
  uint32_t old_mode = kModeAbsent;
  uint32_t new_mode = kModeAbsent;
  uint64_t old_size_bytes = 0;  // regular files: size; symbolic links: length of the target
  uint64_t new_size_bytes = 0;
  std::string symlink_target;  // of the new side when it is a symbolic link
  // Which of Layers::lower_fds holds the old side; 0 when there is none. The layers are immutable,
  // so the old side can be opened there by `path` (or `old_path`) without another look-up through
  // the stack.
  uint32_t old_layer = 0;
  std::string old_path = {};  // of a rename; else the old side is at `path`
  uint32_t similarity = 0;    // of a rename, in percent; 100: the same bytes

  friend bool operator==(const Change&, const Change&) = default;
};

inline bool IsRegularMode(uint32_t mode) { return mode == kModeFile || mode == kModeExecutable; }
inline bool IsSpecialMode(uint32_t mode) {
  return mode == S_IFIFO || mode == S_IFSOCK || mode == S_IFCHR || mode == S_IFBLK;
}

// A sandbox's directories as the host sees them; descriptors are borrowed. On-disk format: overlay
// with userxattr, neither redirect_dir nor metacopy.
struct Layers {
  int upper_fd = -1;
  std::vector<int> lower_fds;  // uppermost first
  // The directory below all of them that the walk starts from and paths are relative to, e.g.
  // "workspace"; empty for the layers' own root.
  std::string root;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_CHANGE_H_

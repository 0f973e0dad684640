// Writes the entries of foreign archives below one directory, and nowhere else: every place is
// reached from that directory by openat2, whatever links the archive has made before.
#ifndef GLOVEBOX_IMPORTER_TREE_WRITER_H_
#define GLOVEBOX_IMPORTER_TREE_WRITER_H_

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "importer/progress_report.h"

namespace glovebox {

struct TreePolicy {
  // False: a name whose parent is a symbolic link is refused. True: the link is followed, and leads
  // nowhere but below the root, as it would for a process whose root that is.
  bool follows_links = false;
  bool keeps_owners = false;    // else everything is the writer's own
  bool keeps_set_ids = false;   // setuid and setgid bits
  bool replaces_trees = false;  // whether a file may take the place of a directory
  uint64_t bytes_max = 0;       // of all files, holes and further hard links counted
  uint64_t entries_max = 4'000'000;
};

struct EntryAttributes {
  mode_t mode = 0644;
  uint32_t uid = 0, gid = 0;
  timespec modified{};
};

// Not thread-safe. Names are normalized (entry_name.h) and not "", but for Directory. Errors are
// those of refusal.h and of the kernel.
class TreeWriter {
 public:
  // `root`: an empty directory, or one whose files are to be changed.
  TreeWriter(UniqueFd root, const TreePolicy& policy, ProgressReport* progress);

  // Modes and times of directories are set by Finish, when nothing is written there any more.
  absl::Status Directory(const std::string& name, const EntryAttributes& attributes);
  absl::Status Symlink(const std::string& name, const std::string& target,
                       const EntryAttributes& attributes);
  // One more name for a file that is in the tree.
  absl::Status HardLink(const std::string& name, const std::string& target);
  absl::Status Fifo(const std::string& name, const EntryAttributes& attributes);

  // A regular file: Begin, Write in any order of offsets, End.
  absl::StatusOr<UniqueFd> BeginFile(const std::string& name, uint64_t size,
                                     const EntryAttributes& attributes);
  // Blocks that are zero become holes.
  absl::Status Write(int fd, uint64_t offset, absl::string_view bytes);
  absl::Status EndFile(int fd, const std::string& name, uint64_t size,
                       const EntryAttributes& attributes);

  // Removes a file or a whole tree; one that is not there is fine.
  absl::Status Remove(const std::string& name);

  // The directory `name`; "" is the root. NOT_FOUND when there is none.
  absl::StatusOr<UniqueFd> OpenDirectory(const std::string& name) const;

  absl::Status Finish();

 private:
  absl::StatusOr<int> Parent(const std::string& name);  // opened or made; valid until the next call
  absl::StatusOr<UniqueFd> MakeParents(const std::string& name);
  absl::Status Charge(const std::string& name, uint64_t bytes);
  // Makes room for a new file or link.
  absl::Status Clear(int parent, const std::string& name, const std::string& last);
  absl::Status SetAttributes(int parent, const std::string& last,
                             const EntryAttributes& attributes) const;
  absl::Status CheckOwner(const std::string& name, const EntryAttributes& attributes) const;
  mode_t ModeOf(const EntryAttributes& attributes) const;

  const UniqueFd root_;
  const TreePolicy policy_;
  ProgressReport* const progress_;
  uint64_t bytes_ = 0;
  uint64_t entries_ = 0;
  std::string parent_name_;
  UniqueFd parent_;     // of parent_name_, or not open
  bool stale_ = false;  // parent_name_ may lead elsewhere by now
  std::map<std::string, EntryAttributes> directories_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_TREE_WRITER_H_

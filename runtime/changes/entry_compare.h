// What git would record of one entry that is no directory, and whether two files have the same
// bytes.
#ifndef GLOVEBOX_CHANGES_ENTRY_COMPARE_H_
#define GLOVEBOX_CHANGES_ENTRY_COMPARE_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "changes/scan_stack.h"
#include "linux/open_beneath.h"

namespace glovebox {

struct EntryFacts {
  uint32_t mode = 0;  // as in change.h
  uint64_t size_bytes = 0;
  std::string symlink_target;
  friend bool operator==(const EntryFacts&, const EntryFacts&) = default;
};

// From the stat alone: without a link's target.
EntryFacts FactsOf(const struct stat& stat);

// The same, and reads the target of a link. FAILED_PRECONDITION or NOT_FOUND when the entry is no
// longer what `stat` says.
absl::StatusOr<EntryFacts> ReadFacts(int dir_fd, const std::string& name, const struct stat& stat);

// Compares `name` in a directory with an open file, in chunks, charging what it reads. Both must be
// regular files.
absl::StatusOr<bool> SameContent(int old_dir_fd, const std::string& name,
                                 const OpenedFile& new_file, ScanBudget& budget,
                                 const std::string& path);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_ENTRY_COMPARE_H_

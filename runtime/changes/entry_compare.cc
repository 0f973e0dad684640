#include "changes/entry_compare.h"

#include <cstring>
#include <vector>

#include "base/status.h"
#include "changes/change.h"
#include "changes/layer_view.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

constexpr size_t kChunkBytes = 128 * 1024;

}  // namespace

EntryFacts FactsOf(const struct stat& stat) {
  EntryFacts facts;
  const auto size = static_cast<uint64_t>(stat.st_size);
  if (S_ISREG(stat.st_mode)) {
    facts.mode = (stat.st_mode & S_IXUSR) != 0 ? kModeExecutable : kModeFile;
    facts.size_bytes = size;
  } else if (S_ISLNK(stat.st_mode)) {
    facts.mode = kModeSymlink;
    facts.size_bytes = size;
  } else {
    facts.mode = stat.st_mode & S_IFMT;
  }
  return facts;
}

absl::StatusOr<EntryFacts> ReadFacts(int dir_fd, const std::string& name, const struct stat& stat) {
  EntryFacts facts = FactsOf(stat);
  if (facts.mode == kModeSymlink) {
    ASSIGN_OR_RETURN(const OpenedFile link, PinBeneath(dir_fd, name));
    ASSIGN_OR_RETURN(facts.symlink_target, ReadPinnedLink(link));
    facts.size_bytes = facts.symlink_target.size();
  }
  return facts;
}

absl::StatusOr<bool> SameContent(int old_dir_fd, const std::string& name,
                                 const OpenedFile& new_file, ScanBudget& budget,
                                 const std::string& path) {
  ASSIGN_OR_RETURN(const OpenedFile old_file, OpenRegularBeneath(old_dir_fd, name));
  RETURN_IF_ERROR(RefuseMetacopy(new_file.fd.get()));
  if (old_file.stat.st_size != new_file.stat.st_size) return false;
  const size_t chunk =
      std::min<size_t>(kChunkBytes, static_cast<size_t>(old_file.stat.st_size) + 1);
  std::vector<char> old_bytes(chunk);
  std::vector<char> new_bytes(chunk);
  for (uint64_t offset = 0;;) {
    ASSIGN_OR_RETURN(const size_t old_size,
                     ReadAt(old_file.fd.get(), offset, old_bytes.data(), chunk));
    ASSIGN_OR_RETURN(const size_t new_size,
                     ReadAt(new_file.fd.get(), offset, new_bytes.data(), chunk));
    RETURN_IF_ERROR(budget.compare.Take(old_size + new_size, path));
    if (old_size != new_size) return false;
    if (std::memcmp(old_bytes.data(), new_bytes.data(), old_size) != 0) return false;
    if (old_size < chunk) return true;
    offset += old_size;
    RETURN_IF_ERROR(budget.time.Check(path));
  }
}

}  // namespace glovebox

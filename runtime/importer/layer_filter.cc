#include "importer/layer_filter.h"

#include <archive_entry.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "importer/entry_name.h"
#include "importer/refusal.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

constexpr char kWhiteout[] = ".wh.";
constexpr char kOpaque[] = ".wh..wh..opq";
constexpr char kOfAufs[] = ".wh..wh.";  // its own records
constexpr size_t kNamesMax = 1'000'000;

std::string Below(const std::string& directory, absl::string_view name) {
  return directory.empty() ? std::string(name) : absl::StrCat(directory, "/", name);
}

}  // namespace

// The directory keeps what this layer has put there, whether before the mark or after it.
absl::Status LayerFilter::Empty(const std::string& directory) {
  absl::StatusOr<UniqueFd> fd = writer_->OpenDirectory(directory);
  if (absl::IsNotFound(fd.status())) return absl::OkStatus();
  RETURN_IF_ERROR(fd.status());
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectoryAt(fd->get(), ".", kNamesMax));
  for (const std::string& name : names) {
    const std::string path = Below(directory, name);
    if (!here_.contains(path)) {
      RETURN_IF_ERROR(writer_->Remove(path));
    } else if (writer_->OpenDirectory(path).ok()) {
      RETURN_IF_ERROR(Empty(path));  // bounded by the depth of names in here_
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LayerFilter::Takes(const std::string& name, archive_entry* entry) {
  const SplitName split = SplitLast(name);
  if (absl::StartsWith(split.last, kWhiteout)) {
    if (split.last == kOpaque) {
      RETURN_IF_ERROR(Empty(split.parent));
      return true;
    }
    if (absl::StartsWith(split.last, kOfAufs)) return true;
    const std::string removed = split.last.substr(sizeof kWhiteout - 1);
    if (removed.empty() || removed == "." || removed == "..") {
      return RefuseEntry(name, "is a whiteout of nothing that has a name");
    }
    RETURN_IF_ERROR(writer_->Remove(Below(split.parent, removed)));
    return true;
  }
  const auto type = ::archive_entry_filetype(entry);
  if (::archive_entry_hardlink(entry) == nullptr && (type == AE_IFCHR || type == AE_IFBLK)) {
    return true;
  }
  for (std::string path = name; !path.empty(); path = SplitLast(path).parent) {
    if (!here_.insert(path).second) break;
  }
  return false;
}

}  // namespace glovebox

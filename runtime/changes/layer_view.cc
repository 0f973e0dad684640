#include "changes/layer_view.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

absl::Status OverlayFeature(absl::string_view xattr) {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("an entry has ", xattr,
                                    ", an overlay feature that sandboxes are never mounted with"),
                       {"OVERLAY_FEATURE", {{"xattr", std::string(xattr)}}});
}

absl::Status RefuseXattr(int fd, const char* name) {
  ASSIGN_OR_RETURN(const auto value, GetXattr(fd, name));
  return value.has_value() ? OverlayFeature(name) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> IsOpaque(int dir_fd) {
  RETURN_IF_ERROR(RefuseXattr(dir_fd, "user.overlay.redirect"));
  ASSIGN_OR_RETURN(const auto value, GetXattr(dir_fd, "user.overlay.opaque"));
  // "x" says that there are whiteouts made of regular files inside, not that the lowers are hidden.
  return value.has_value() && *value == "y";
}

absl::StatusOr<bool> IsWhiteout(int dir_fd, const std::string& name, const struct stat& stat) {
  if (S_ISCHR(stat.st_mode)) return stat.st_rdev == makedev(0, 0);
  if (!S_ISREG(stat.st_mode) || stat.st_size != 0) return false;
  auto file = OpenRegularBeneath(dir_fd, name);
  // Gone or replaced since the stat: whoever looks at the name next finds out.
  if (absl::IsNotFound(file.status()) || absl::IsFailedPrecondition(file.status())) return false;
  if (!file.ok()) return file.status();
  ASSIGN_OR_RETURN(const auto value, GetXattr(file->fd.get(), "user.overlay.whiteout"));
  return value.has_value();
}

absl::Status RefuseMetacopy(int fd) { return RefuseXattr(fd, "user.overlay.metacopy"); }

absl::StatusOr<bool> StatEntry(int dir_fd, const std::string& name, struct stat* stat) {
  if (::fstatat(dir_fd, name.c_str(), stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0) {
    return true;
  }
  if (errno == ENOENT) return false;
  return ErrnoError(errno, absl::StrCat("fstatat(\"", EscapeForPeople(name), "\")"));
}

absl::StatusOr<LayerView> LayerView::OfRoots(const std::vector<int>& lower_fds) {
  std::vector<Part> parts;
  for (uint32_t layer = 0; layer < lower_fds.size(); ++layer) {
    ASSIGN_OR_RETURN(OpenedFile root, OpenDirectoryBeneath(lower_fds[layer], "."));
    ASSIGN_OR_RETURN(const bool opaque, IsOpaque(root.fd.get()));
    parts.push_back({layer, std::move(root.fd)});
    if (opaque) break;
  }
  return LayerView(std::move(parts));
}

absl::StatusOr<LayerView::Entry> LayerView::Lookup(const std::string& name) const {
  Entry entry;
  for (const Part& part : parts_) {
    struct stat stat {};
    ASSIGN_OR_RETURN(const bool found, StatEntry(part.fd.get(), name, &stat));
    if (!found) continue;
    if (S_ISDIR(stat.st_mode)) {
      ASSIGN_OR_RETURN(OpenedFile dir, OpenDirectoryBeneath(part.fd.get(), name));
      ASSIGN_OR_RETURN(const bool opaque, IsOpaque(dir.fd.get()));
      entry.kind = Entry::Kind::kDirectory;
      entry.parts.push_back({part.layer, std::move(dir.fd)});
      if (opaque) break;
      continue;
    }
    // Anything else ends the stack; below a directory it only ends the merging.
    if (entry.kind == Entry::Kind::kDirectory) break;
    ASSIGN_OR_RETURN(const bool whiteout, IsWhiteout(part.fd.get(), name, stat));
    if (!whiteout) {
      entry.kind = Entry::Kind::kOther;
      entry.stat = stat;
      entry.layer = part.layer;
      entry.dir_fd = part.fd.get();
    }
    break;
  }
  return entry;
}

absl::Status LayerView::ForEachCandidate(
    absl::FunctionRef<absl::Status(absl::string_view)> visit) const {
  for (const Part& part : parts_) RETURN_IF_ERROR(ForEachName(part.fd.get(), visit));
  return absl::OkStatus();
}

}  // namespace glovebox

#include "importer/tree_writer.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "importer/entry_name.h"
#include "importer/refusal.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kBlock = 4096;
constexpr uint32_t kIdMax = 65535;
constexpr mode_t kSetIds = S_ISUID | S_ISGID;

bool IsZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

absl::Status Failed(int error, absl::string_view call, absl::string_view name) {
  if (error == ELOOP || error == ENOTDIR || error == EXDEV) {
    return RefuseEntry(name, "goes through what is not a directory, or out by a symbolic link");
  }
  if (error == ENAMETOOLONG) return RefuseEntry(name, "is too long");
  return ErrnoError(error, absl::StrCat(call, " ", std::string(name.substr(0, 160))));
}

}  // namespace

TreeWriter::TreeWriter(UniqueFd root, const TreePolicy& policy, ProgressReport* progress)
    : root_(std::move(root)), policy_(policy), progress_(progress) {}

absl::StatusOr<UniqueFd> TreeWriter::OpenDirectory(const std::string& name) const {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV |
                (policy_.follows_links ? RESOLVE_IN_ROOT : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  const long fd =
      ::syscall(SYS_openat2, root_.get(), name.empty() ? "." : name.c_str(), &how, sizeof how);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  if (errno == ENOENT) return absl::NotFoundError(name);
  return Failed(errno, "openat2", name);
}

absl::StatusOr<UniqueFd> TreeWriter::MakeParents(const std::string& name) {
  absl::StatusOr<UniqueFd> there = OpenDirectory(name);
  if (there.ok() || !absl::IsNotFound(there.status())) return there;
  const SplitName split = SplitLast(name);  // bounded by kDepthMax
  ASSIGN_OR_RETURN(const UniqueFd parent, MakeParents(split.parent));
  if (::mkdirat(parent.get(), split.last.c_str(), 0755) != 0) {
    // A link that leads to nothing.
    if (errno == EEXIST) return RefuseEntry(name, "is not a directory");
    return Failed(errno, "mkdirat", name);
  }
  return OpenDirectory(name);
}

absl::StatusOr<int> TreeWriter::Parent(const std::string& name) {
  const SplitName split = SplitLast(name);
  if (stale_ || !parent_.valid() || split.parent != parent_name_) {
    absl::StatusOr<UniqueFd> parent = MakeParents(split.parent);
    if (absl::IsInvalidArgument(parent.status())) {
      return RefuseEntry(name, "goes through what is not a directory, or by a symbolic link");
    }
    RETURN_IF_ERROR(parent.status());
    stale_ = false;
    parent_ = *std::move(parent);
    parent_name_ = split.parent;
  }
  return parent_.get();
}

absl::Status TreeWriter::Charge(const std::string& name, uint64_t bytes) {
  progress_->AddItem();
  if (++entries_ > policy_.entries_max) {
    return EntryTooLarge(name, absl::StrCat("is one of more than ", policy_.entries_max));
  }
  if (bytes > policy_.bytes_max - bytes_) {
    return EntryTooLarge(name, absl::StrCat("with it the files, holes and hard links counted, have "
                                            "more than ",
                                            policy_.bytes_max, " bytes"));
  }
  bytes_ += bytes;
  return absl::OkStatus();
}

absl::Status TreeWriter::CheckOwner(const std::string& name,
                                    const EntryAttributes& attributes) const {
  if (!policy_.keeps_owners || (attributes.uid <= kIdMax && attributes.gid <= kIdMax)) {
    return absl::OkStatus();
  }
  return RefuseEntry(name, absl::StrCat("belongs to ", attributes.uid, ":", attributes.gid,
                                        "; ids in a sandbox are 0 to ", kIdMax));
}

mode_t TreeWriter::ModeOf(const EntryAttributes& attributes) const {
  const mode_t mode = attributes.mode & 07777;
  return policy_.keeps_set_ids ? mode : mode & ~kSetIds;
}

absl::Status TreeWriter::SetAttributes(int parent, const std::string& last,
                                       const EntryAttributes& attributes) const {
  if (policy_.keeps_owners &&
      ::fchownat(parent, last.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "fchownat", last);
  }
  const timespec times[2] = {attributes.modified, attributes.modified};
  if (::utimensat(parent, last.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "utimensat", last);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::Clear(int parent, const std::string& name, const std::string& last) {
  if (::unlinkat(parent, last.c_str(), 0) == 0) {
    stale_ = true;  // the parent may have been reached by what was removed
    return absl::OkStatus();
  }
  if (errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR) return Failed(errno, "unlinkat", name);
  if (!policy_.replaces_trees) {
    return RefuseEntry(name, "would take the place of a directory that the archive has as well");
  }
  return Remove(name);
}

absl::Status TreeWriter::Directory(const std::string& name, const EntryAttributes& attributes) {
  RETURN_IF_ERROR(CheckOwner(name, attributes));
  RETURN_IF_ERROR(Charge(name, 0));
  directories_[name] = attributes;
  if (name.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int parent, Parent(name));
  const std::string last = SplitLast(name).last;
  if (::mkdirat(parent, last.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) return Failed(errno, "mkdirat", name);
  struct stat status {};
  if (::fstatat(parent, last.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "fstatat", name);
  }
  if (S_ISDIR(status.st_mode)) return absl::OkStatus();
  if (!policy_.replaces_trees) return RefuseEntry(name, "is a file and a directory");
  stale_ = true;
  if (::unlinkat(parent, last.c_str(), 0) != 0 || ::mkdirat(parent, last.c_str(), 0700) != 0) {
    return Failed(errno, "replace", name);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::Symlink(const std::string& name, const std::string& target,
                                 const EntryAttributes& attributes) {
  RETURN_IF_ERROR(CheckOwner(name, attributes));
  RETURN_IF_ERROR(Charge(name, target.size()));
  if (target.empty()) return RefuseEntry(name, "is a symbolic link to nothing");
  ASSIGN_OR_RETURN(const int parent, Parent(name));
  const std::string last = SplitLast(name).last;
  RETURN_IF_ERROR(Clear(parent, name, last));
  if (::symlinkat(target.c_str(), parent, last.c_str()) != 0) {
    return Failed(errno, "symlinkat", name);
  }
  return SetAttributes(parent, last, attributes);
}

absl::Status TreeWriter::HardLink(const std::string& name, const std::string& target) {
  const SplitName from = SplitLast(target);
  absl::StatusOr<UniqueFd> directory = OpenDirectory(from.parent);
  struct stat status {};
  if (absl::IsNotFound(directory.status()) ||
      (directory.ok() &&
       ::fstatat(directory->get(), from.last.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)) {
    return RefuseEntry(name, absl::StrCat("is a hard link to \"", target.substr(0, 160),
                                          "\", which does not come before it"));
  }
  RETURN_IF_ERROR(directory.status());
  if (S_ISDIR(status.st_mode)) return RefuseEntry(name, "is a hard link to a directory");
  RETURN_IF_ERROR(Charge(name, static_cast<uint64_t>(status.st_size)));
  if (name == target) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int parent, Parent(name));
  const std::string last = SplitLast(name).last;
  RETURN_IF_ERROR(Clear(parent, name, last));
  if (::linkat(directory->get(), from.last.c_str(), parent, last.c_str(), 0) != 0) {
    if (errno == EMLINK) return RefuseEntry(name, "is one hard link too many to one file");
    return Failed(errno, "linkat", name);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::Fifo(const std::string& name, const EntryAttributes& attributes) {
  RETURN_IF_ERROR(CheckOwner(name, attributes));
  RETURN_IF_ERROR(Charge(name, 0));
  ASSIGN_OR_RETURN(const int parent, Parent(name));
  const std::string last = SplitLast(name).last;
  RETURN_IF_ERROR(Clear(parent, name, last));
  if (::mkfifoat(parent, last.c_str(), 0600) != 0) return Failed(errno, "mkfifoat", name);
  RETURN_IF_ERROR(SetAttributes(parent, last, attributes));
  // Of the FIFO that was just made; nobody else writes here.
  if (::fchmodat(parent, last.c_str(), ModeOf(attributes), 0) != 0) {
    return Failed(errno, "fchmodat", name);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> TreeWriter::BeginFile(const std::string& name, uint64_t size,
                                               const EntryAttributes& attributes) {
  RETURN_IF_ERROR(CheckOwner(name, attributes));
  RETURN_IF_ERROR(Charge(name, size));
  ASSIGN_OR_RETURN(const int parent, Parent(name));
  const std::string last = SplitLast(name).last;
  RETURN_IF_ERROR(Clear(parent, name, last));
  return OpenAt(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

absl::Status TreeWriter::Write(int fd, uint64_t offset, absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t to_boundary = kBlock - offset % kBlock;
    const bool hole = bytes.size() >= to_boundary && IsZero(bytes.substr(0, to_boundary));
    size_t count = std::min(to_boundary, bytes.size());
    if (!hole) {
      // Up to the next block that is all zero.
      while (count + kBlock <= bytes.size() && !IsZero(bytes.substr(count, kBlock))) {
        count += kBlock;
      }
      const ssize_t written = ::pwrite(fd, bytes.data(), count, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoError(errno, "pwrite");
      count = static_cast<size_t>(written);
    }
    bytes.remove_prefix(count);
    offset += count;
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::EndFile(int fd, const std::string& name, uint64_t size,
                                 const EntryAttributes& attributes) {
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return Failed(errno, "ftruncate", name);
  if (policy_.keeps_owners && ::fchown(fd, attributes.uid, attributes.gid) != 0) {
    return Failed(errno, "fchown", name);
  }
  if (::fchmod(fd, ModeOf(attributes)) != 0) return Failed(errno, "fchmod", name);
  const timespec times[2] = {attributes.modified, attributes.modified};
  if (::futimens(fd, times) != 0) return Failed(errno, "futimens", name);
  return absl::OkStatus();
}

absl::Status TreeWriter::Remove(const std::string& name) {
  const SplitName split = SplitLast(name);
  absl::StatusOr<UniqueFd> parent = OpenDirectory(split.parent);
  if (absl::IsNotFound(parent.status())) return absl::OkStatus();
  RETURN_IF_ERROR(parent.status());
  stale_ = true;
  directories_.erase(name);
  const std::string below = absl::StrCat(name, "/");
  const auto first = directories_.lower_bound(below);
  auto last = first;
  while (last != directories_.end() && absl::StartsWith(last->first, below)) ++last;
  directories_.erase(first, last);
  return RemoveTreeAt(parent->get(), split.last);
}

absl::Status TreeWriter::Finish() {
  // What is in a directory sorts after it.
  for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
    const auto& [name, attributes] = *it;
    absl::StatusOr<UniqueFd> opened = OpenDirectory(name);
    // Under another name it was replaced.
    if (!opened.ok() && policy_.follows_links) continue;
    RETURN_IF_ERROR(opened.status());
    const UniqueFd fd = *std::move(opened);
    if (policy_.keeps_owners && ::fchown(fd.get(), attributes.uid, attributes.gid) != 0) {
      return Failed(errno, "fchown", name);
    }
    const timespec times[2] = {attributes.modified, attributes.modified};
    if (::futimens(fd.get(), times) != 0) return Failed(errno, "futimens", name);
    if (::fchmod(fd.get(), ModeOf(attributes)) != 0) return Failed(errno, "fchmod", name);
  }
  return absl::OkStatus();
}

}  // namespace glovebox

#include "snapshot/sealed_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/directory_list.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr size_t kEntriesMax = 100'000;
constexpr char kStagedPrefix[] = ".staged-";
constexpr char kDeletedPrefix[] = ".deleted-";
constexpr const char* kRecord = "record.json";
constexpr const char* kManifest = "manifest";

absl::Status FlushDirectory(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return ErrnoError(errno, absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> RegularFileSize(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return ErrnoError(errno, absl::StrCat("lstat ", path));
  if (!S_ISREG(status.st_mode)) return absl::DataLossError("disk.img is not a regular file");
  return static_cast<uint64_t>(status.st_size);
}

absl::Status WriteNew(const std::string& path, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  RETURN_IF_ERROR(WriteAll(fd.get(), bytes));
  if (::fsync(fd.get()) != 0) return ErrnoError(errno, absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

absl::StatusOr<StoredEntry> ReadEntry(const std::string& path, const std::string& name) {
  ASSIGN_OR_RETURN(const UniqueFd directory,
                   OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  StoredEntry entry;
  entry.name = name;
  ASSIGN_OR_RETURN(entry.record, ReadFileAt(directory.get(), kRecord, RecordJson::kBytesMax));
  ASSIGN_OR_RETURN(entry.image_bytes, RegularFileSize(absl::StrCat(path, "/disk.img")));
  for (const absl::string_view file : {"disk.img", kRecord, kManifest}) {
    struct stat status {};
    if (::fstatat(directory.get(), file.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    entry.host_bytes += static_cast<uint64_t>(status.st_blocks) * 512;
    if (file == kRecord) entry.last_used = absl::TimeFromTimespec(status.st_mtim);
  }
  return entry;
}

}  // namespace

StagedEntry::~StagedEntry() {
  disk_.reset();
  if (!path_.empty()) (void)RemoveTreeAt(AT_FDCWD, path_);  // else the next Open does
}

SealedStore::SealedStore(std::string directory, DiskFactory* disks, size_t idle_max)
    : directory_(std::move(directory)), disks_(disks), idle_max_(idle_max) {}

std::string SealedStore::PathOf(absl::string_view name) const {
  return absl::StrCat(directory_, "/", name);
}

absl::StatusOr<std::unique_ptr<SealedStore>> SealedStore::Open(const std::string& directory,
                                                               DiskFactory* disks,
                                                               size_t idle_max) {
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, directory, 0700));
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectoryAt(AT_FDCWD, directory, kEntriesMax));
  for (const std::string& name : names) {
    if (!absl::StartsWith(name, kStagedPrefix) && !absl::StartsWith(name, kDeletedPrefix)) continue;
    RETURN_IF_ERROR(RemoveTreeAt(AT_FDCWD, absl::StrCat(directory, "/", name)));
  }
  return std::unique_ptr<SealedStore>(new SealedStore(directory, disks, idle_max));
}

absl::StatusOr<std::vector<StoredEntry>> SealedStore::Scan(
    std::vector<std::string>* damaged) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectoryAt(AT_FDCWD, directory_, kEntriesMax));
  std::vector<StoredEntry> entries;
  for (const std::string& name : names) {
    absl::StatusOr<StoredEntry> entry = ReadEntry(PathOf(name), name);
    if (entry.ok()) {
      entries.push_back(*std::move(entry));
    } else {
      damaged->push_back(absl::StrCat(EscapeForPeople(name, 100), ": ", entry.status().message()));
    }
  }
  return entries;
}

absl::StatusOr<std::unique_ptr<StagedEntry>> SealedStore::Stage(std::unique_ptr<Disk> disk) {
  std::unique_ptr<StagedEntry> staged(
      new StagedEntry(PathOf(absl::StrCat(kStagedPrefix, NewRandomId()))));
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, staged->path_, 0700));
  const std::string image_path = absl::StrCat(staged->path_, "/disk.img");
  RETURN_IF_ERROR(std::move(*disk).SealInto(image_path));
  disk.reset();
  ASSIGN_OR_RETURN(staged->image_bytes_, RegularFileSize(image_path));
  ASSIGN_OR_RETURN(staged->disk_, disks_->OpenSealed(image_path));
  return staged;
}

absl::Status SealedStore::Complete(const StagedEntry& staged, absl::string_view record,
                                   absl::string_view manifest) {
  RETURN_IF_ERROR(WriteNew(absl::StrCat(staged.path_, "/", kRecord), record));
  if (!manifest.empty()) {
    RETURN_IF_ERROR(WriteNew(absl::StrCat(staged.path_, "/", kManifest), manifest));
  }
  return FlushDirectory(staged.path_);
}

absl::Status SealedStore::Publish(StagedEntry& staged, const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (::renameat2(AT_FDCWD, staged.path_.c_str(), AT_FDCWD, PathOf(name).c_str(),
                  RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return absl::AlreadyExistsError(absl::StrCat(name, " is in the store"));
    return ErrnoError(errno, absl::StrCat("renameat2 to ", PathOf(name)));
  }
  staged.path_.clear();
  attached_.push_front({name, std::move(staged.disk_)});
  DropIdle();
  return absl::OkStatus();
}

absl::Status SealedStore::Settle() const { return FlushDirectory(directory_); }

absl::StatusOr<std::string> SealedStore::ReadManifest(const std::string& name,
                                                      size_t bytes_max) const {
  return ReadFileAt(AT_FDCWD, absl::StrCat(PathOf(name), "/", kManifest), bytes_max);
}

absl::Status SealedStore::AddManifest(const std::string& name, absl::string_view manifest) const {
  // Named as what Open removes, until it is whole.
  const std::string fresh = PathOf(absl::StrCat(kStagedPrefix, NewRandomId()));
  absl::Status written = WriteNew(fresh, manifest);
  if (written.ok()) {
    const std::string path = absl::StrCat(PathOf(name), "/", kManifest);
    if (::rename(fresh.c_str(), path.c_str()) == 0) return FlushDirectory(PathOf(name));
    written = ErrnoError(errno, absl::StrCat("rename to ", path));
  }
  (void)::unlink(fresh.c_str());  // else the next Open does
  return written;
}

bool SealedStore::IsLeased(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto it = FindAttached(name);
  return it != attached_.end() && it->disk.use_count() > 1;
}

void SealedStore::Touch(const std::string& name) const {
  // A time that cannot be noted makes the entry look older than it is, no more.
  (void)::utimensat(AT_FDCWD, absl::StrCat(PathOf(name), "/", kRecord).c_str(), nullptr, 0);
}

absl::StatusOr<StoredEntry> SealedStore::Look(const std::string& name) const {
  return ReadEntry(PathOf(name), name);
}

std::list<SealedStore::Attached>::iterator SealedStore::FindAttached(const std::string& name) {
  return std::find_if(attached_.begin(), attached_.end(),
                      [&](const Attached& attached) { return attached.name == name; });
}

void SealedStore::DropIdle() {
  size_t idle = 0;
  for (auto it = attached_.begin(); it != attached_.end();) {
    // Only this list can hand out a first lease, and it does so under the mutex: 1 stays 1.
    const bool drop = it->disk.use_count() == 1 && ++idle > idle_max_;
    it = drop ? attached_.erase(it) : std::next(it);
  }
}

absl::StatusOr<Layer> SealedStore::Lease(const std::string& name, uint64_t image_bytes) {
  const std::lock_guard lock(mutex_);
  auto it = FindAttached(name);
  if (it == attached_.end()) {
    const std::string image_path = absl::StrCat(PathOf(name), "/disk.img");
    ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(image_path));
    if (size != image_bytes) {
      return DetailedError(absl::StatusCode::kDataLoss,
                           absl::StrCat(image_path, " has ", size, " bytes, not ", image_bytes),
                           {"SNAPSHOT_DAMAGED", {{"path", image_path}}});
    }
    ASSIGN_OR_RETURN(std::shared_ptr<const Disk> disk, disks_->OpenSealed(image_path));
    attached_.push_front({name, std::move(disk)});
  } else {
    attached_.splice(attached_.begin(), attached_, it);
  }
  DropIdle();  // the first counts as idle here, and is the last to go
  const std::shared_ptr<const Disk> disk = attached_.front().disk;
  return Layer{disk, disk->mount_path(), kRoot};
}

absl::Status SealedStore::Retire(const std::string& name, std::vector<std::string>* retired) {
  const std::string deleted = PathOf(absl::StrCat(kDeletedPrefix, NewRandomId()));
  const std::lock_guard lock(mutex_);
  const auto it = FindAttached(name);
  if (it != attached_.end() && it->disk.use_count() > 1) {
    return absl::AbortedError(absl::StrCat(name, " is leased"));
  }
  if (::rename(PathOf(name).c_str(), deleted.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("rename ", PathOf(name)));
  }
  if (it != attached_.end()) attached_.erase(it);
  retired->push_back(deleted);
  return absl::OkStatus();
}

absl::Status SealedStore::Remove(const std::vector<std::string>& retired) const {
  absl::Status status = retired.empty() ? absl::OkStatus() : FlushDirectory(directory_);
  for (const std::string& path : retired) status.Update(RemoveTreeAt(AT_FDCWD, path));
  return status;
}

}  // namespace glovebox

#include "exec/exec_archive_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "exec/archive_format.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

absl::StatusOr<std::vector<std::string>> NamesIn(int directory_fd) {
  ASSIGN_OR_RETURN(UniqueFd listing, OpenAt(directory_fd, ".", O_RDONLY | O_DIRECTORY));
  DIR* const stream = ::fdopendir(listing.get());
  if (stream == nullptr) return ErrnoError(errno, "fdopendir of the archives");
  (void)listing.Release();  // the stream owns it now
  const absl::Cleanup close = [stream] { (void)::closedir(stream); };
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) names.emplace_back(entry->d_name);
  if (errno != 0) return ErrnoError(errno, "readdir of the archives");
  return names;
}

}  // namespace

ExecArchiveStore::ExecArchiveStore(UniqueFd directory, const ArchiveLimits& limits)
    : directory_(std::move(directory)), limits_(limits) {}

absl::StatusOr<std::shared_ptr<ExecArchiveStore>> ExecArchiveStore::Open(
    UniqueFd directory, const ArchiveLimits& limits) {
  std::shared_ptr<ExecArchiveStore> store(new ExecArchiveStore(std::move(directory), limits));
  RETURN_IF_ERROR(store->TakeStock());
  return store;
}

absl::Status ExecArchiveStore::TakeStock() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(directory_.get()));
  absl::MutexLock lock(&mutex_);
  for (const std::string& name : names) {
    absl::string_view number = name;
    uint32_t exec_no = 0;
    const bool half_written = absl::ConsumePrefix(&number, kHalfWrittenPrefix);
    if (!absl::SimpleAtoi(number, &exec_no) || absl::StrCat(exec_no) != number) continue;
    if (half_written) {
      (void)::unlinkat(directory_.get(), name.c_str(), 0);  // the next one truncates it anyhow
      continue;
    }
    struct stat status {};
    if (::fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    sizes_[exec_no] = static_cast<uint64_t>(status.st_size);
    bytes_ += static_cast<uint64_t>(status.st_size);
  }
  DropOldest(sizes_.empty() ? 0 : sizes_.rbegin()->first);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const ExecArchive>> ExecArchiveStore::Write(
    uint32_t exec_no, const OutputRegion& region) {
  if (region.last_sequence() == 0) return nullptr;
  ASSIGN_OR_RETURN(std::shared_ptr<const ExecArchive> archive,
                   ExecArchive::Write(directory_.get(), exec_no, region, limits_.bytes_max));
  absl::MutexLock lock(&mutex_);
  uint64_t& size = sizes_[exec_no];
  bytes_ += archive->file_bytes() - size;
  size = archive->file_bytes();
  DropOldest(exec_no);
  return archive;
}

absl::StatusOr<std::shared_ptr<const ExecArchive>> ExecArchiveStore::Read(uint32_t exec_no) const {
  return ExecArchive::Open(directory_.get(), exec_no);
}

void ExecArchiveStore::Remove(uint32_t exec_no) {
  absl::MutexLock lock(&mutex_);
  const auto it = sizes_.find(exec_no);
  if (it == sizes_.end()) return;
  (void)::unlinkat(directory_.get(), absl::StrCat(exec_no).c_str(), 0);  // gone is what is wanted
  bytes_ -= it->second;
  sizes_.erase(it);
}

void ExecArchiveStore::DropOldest(uint32_t but) {
  auto it = sizes_.begin();
  while (it != sizes_.end() && (sizes_.size() > limits_.execs_max || bytes_ > limits_.bytes_max)) {
    if (it->first == but) {
      ++it;
      continue;
    }
    (void)::unlinkat(directory_.get(), absl::StrCat(it->first).c_str(), 0);  // as in Remove
    bytes_ -= it->second;
    it = sizes_.erase(it);
  }
}

}  // namespace glovebox

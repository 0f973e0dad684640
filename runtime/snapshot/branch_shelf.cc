#include "snapshot/branch_shelf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/open_beneath.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

constexpr size_t kCommitDigits = 40;
constexpr size_t kHeadBytesMax = 1024 + BranchShelf::kCommitsMax * (kCommitDigits + 1);
constexpr size_t kPieceBytes = 1 << 20;

absl::Status TooMany(const char* limit, uint64_t max) {
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("limit ", limit, " of ", max,
                   " of the sandbox's kept commits; export and delete the sandbox, "
                   "or commit less"),
      {"PATCH_LIMIT", {{"limit", limit}, {"max", absl::StrCat(max)}}});
}

std::string NameOf(const std::string& branch) {
  Sha256 digest;
  digest.Update(branch);
  return digest.FinishHex();
}

absl::Status Copy(int from_fd, uint64_t bytes, int to_fd) {
  std::string piece(kPieceBytes, '\0');
  for (uint64_t offset = 0; offset < bytes;) {
    ASSIGN_OR_RETURN(const size_t got, ReadAt(from_fd, offset, piece.data(), piece.size()));
    if (got == 0) return absl::DataLossError("a bundle became shorter while it was copied");
    RETURN_IF_ERROR(WriteAll(to_fd, absl::string_view(piece).substr(0, got)));
    offset += got;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<BranchShelf::Opened>> BranchShelf::List(
    const std::string& sandbox_id) const {
  const std::string directory = absl::StrCat(directory_, "/", sandbox_id);
  std::vector<Opened> all;
  const auto names = ListDirectoryAt(AT_FDCWD, directory, kBranchesMax + 1);
  if (absl::IsNotFound(names.status())) return all;
  RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    if (name == "new") continue;  // of an earlier release's daemon that died meanwhile
    Opened opened;
    ASSIGN_OR_RETURN(opened.file, OpenAt(AT_FDCWD, absl::StrCat(directory, "/", name), O_RDONLY));
    std::string head(kHeadBytesMax, '\0');
    ASSIGN_OR_RETURN(const size_t got, ReadAt(opened.file.get(), 0, head.data(), head.size()));
    head.resize(got);
    ASSIGN_OR_RETURN(opened.branch, ParseKeptBranch(head, &opened.bundle_begin));
    struct stat status {};
    if (::fstat(opened.file.get(), &status) != 0) return ErrnoError(errno, "fstat");
    opened.bundle_bytes = static_cast<uint64_t>(status.st_size) - opened.bundle_begin;
    all.push_back(std::move(opened));
  }
  return all;
}

absl::Status BranchShelf::Write(const std::string& path, const KeptBranch& branch, int bundle_fd,
                                uint64_t bundle_bytes) {
  if (bundle_bytes > kBytesMax) return TooMany("kept_bytes", kBytesMax);
  if (branch.commits.size() > kCommitsMax) return TooMany("kept_commits", kCommitsMax);
  ASSIGN_OR_RETURN(const UniqueFd file,
                   OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  RETURN_IF_ERROR(WriteAll(file.get(), FormatKeptBranch(branch)));
  RETURN_IF_ERROR(Copy(bundle_fd, bundle_bytes, file.get()));
  if (::fdatasync(file.get()) != 0) return ErrnoError(errno, "fdatasync of kept commits");
  return absl::OkStatus();
}

absl::Status BranchShelf::Keep(const std::string& sandbox_id, const KeptBranch& branch,
                               const std::string& path, uint64_t bundle_bytes) const {
  ASSIGN_OR_RETURN(const std::vector<Opened> kept, List(sandbox_id));
  uint64_t bytes = bundle_bytes;
  size_t others = 0;
  for (const Opened& one : kept) {
    if (one.branch.branch == branch.branch) continue;
    bytes += one.bundle_bytes;
    ++others;
  }
  if (others >= kBranchesMax) return TooMany("kept_branches", kBranchesMax);
  if (bytes > kBytesMax) return TooMany("kept_bytes", kBytesMax);
  const std::string directory = absl::StrCat(directory_, "/", sandbox_id);
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, directory, 0700));
  const std::string place = absl::StrCat(directory, "/", NameOf(branch.branch));
  if (std::rename(path.c_str(), place.c_str()) == 0) return absl::OkStatus();
  return ErrnoError(errno, "rename of kept commits");
}

absl::Status BranchShelf::Remove(const std::string& sandbox_id) const {
  return RemoveTreeAt(AT_FDCWD, absl::StrCat(directory_, "/", sandbox_id));
}

}  // namespace glovebox

#include "importer/import_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "importer/byte_source.h"
#include "importer/directory_copy.h"
#include "importer/progress_report.h"
#include "importer/tar_unpack.h"
#include "importer/tree_writer.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

// Beside its files, a tar has headers and padding: at most so much more than the files may have.
constexpr uint64_t kTarOverhead = 4;

absl::StatusOr<UniqueFd> MakeRoot(const std::string& to) {
  if (::mkdir(to.c_str(), 0755) != 0) return ErrnoError(errno, absl::StrCat("mkdir ", to));
  return OpenAt(AT_FDCWD, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

TreePolicy SnapshotPolicy(uint64_t bytes_max) {
  TreePolicy policy;
  policy.bytes_max = bytes_max;
  return policy;
}

}  // namespace

absl::Status ImportArchive(const std::string& from, const std::string& to, uint64_t bytes_max) {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, from, O_RDONLY));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return ErrnoError(errno, "fstat");
  const auto size = static_cast<uint64_t>(status.st_size);
  ProgressReport progress(size);
  ASSIGN_OR_RETURN(UniqueFd root, MakeRoot(to));
  TreeWriter writer(std::move(root), SnapshotPolicy(bytes_max), &progress);
  FileSource packed(file.get(), 0, size, &progress);
  UnpackedSource tar(&packed, std::max(size, bytes_max) * kTarOverhead);
  RETURN_IF_ERROR(UnpackTar(&tar, TarOptions{}, &writer));
  return writer.Finish();
}

absl::Status ImportDirectory(const std::string& from, const std::string& to, uint64_t bytes_max) {
  ASSIGN_OR_RETURN(UniqueFd source, OpenAt(AT_FDCWD, from, O_RDONLY | O_DIRECTORY));
  ProgressReport progress(0);
  ASSIGN_OR_RETURN(UniqueFd root, MakeRoot(to));
  TreeWriter writer(std::move(root), SnapshotPolicy(bytes_max), &progress);
  RETURN_IF_ERROR(CopyDirectory(std::move(source), &writer, &progress));
  return writer.Finish();
}

}  // namespace glovebox

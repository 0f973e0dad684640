#include "snapshot/worker_tree.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/open_beneath.h"
#include "snapshot/sealed_store.h"

namespace glovebox {

absl::Status KeepWorkerTree(const Disk& disk, absl::string_view from, absl::string_view name) {
  const std::string path = absl::StrCat("upper/", from);
  const size_t slash = path.rfind('/');
  ASSIGN_OR_RETURN(const OpenedFile parent,
                   OpenDirectoryBeneath(disk.root_fd(), path.substr(0, slash)));
  std::string target = SealedStore::kRoot;
  if (!name.empty()) {
    RETURN_IF_ERROR(MakeDirectoryAt(disk.root_fd(), target, 0755));
    absl::StrAppend(&target, "/", name);
  }
  if (::renameat2(parent.fd.get(), path.c_str() + slash + 1, disk.root_fd(), target.c_str(),
                  RENAME_NOREPLACE) != 0) {
    return ErrnoError(errno, absl::StrCat("renameat2 of the worker's ", from));
  }
  // A link or a file in the place of the directory shows here.
  ASSIGN_OR_RETURN(const OpenedFile root, OpenDirectoryBeneath(disk.root_fd(), SealedStore::kRoot));
  RETURN_IF_ERROR(OpenDirectoryBeneath(disk.root_fd(), target).status());
  if (::fchown(root.fd.get(), 0, 0) != 0) return ErrnoError(errno, "fchown of root/");
  if (::fchmod(root.fd.get(), 0755) != 0) return ErrnoError(errno, "fchmod of root/");
  return absl::OkStatus();
}

}  // namespace glovebox

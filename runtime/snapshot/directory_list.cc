#include "snapshot/directory_list.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }  // nothing was written
};

// `left`: whether there are more.
absl::StatusOr<std::vector<std::string>> ReadNames(int directory_fd, const std::string& path,
                                                   size_t names_max, bool* left) {
  ASSIGN_OR_RETURN(UniqueFd fd,
                   OpenAt(directory_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd.get()));
  if (directory == nullptr) return ErrnoError(errno, absl::StrCat("fdopendir ", path));
  (void)fd.Release();  // closedir closes it
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      if (errno != 0) return ErrnoError(errno, absl::StrCat("readdir ", path));
      break;
    }
    const absl::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    *left = names.size() == names_max;
    if (*left) break;
    names.emplace_back(name);
  }
  return names;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListDirectoryAt(int directory_fd, const std::string& path,
                                                         size_t names_max) {
  bool left = false;
  ASSIGN_OR_RETURN(std::vector<std::string> names, ReadNames(directory_fd, path, names_max, &left));
  if (left) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a directory has more than ", names_max, " entries"));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<std::string>> ListSomeAt(int directory_fd, const std::string& path,
                                                    size_t names_max) {
  bool left = false;
  return ReadNames(directory_fd, path, names_max, &left);
}

}  // namespace glovebox

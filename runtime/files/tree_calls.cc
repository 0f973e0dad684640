// What paths and directories are, and changes of them.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "base/status.h"
#include "base/wire_field.h"
#include "files/call.h"
#include "files/place.h"
#include "files/remove_tree.h"

namespace glovebox {
namespace {

constexpr uint64_t kPageMax = 1000;
constexpr size_t kAnswerBytesMax = size_t{1} << 20;

struct Fields {
  std::string first, second;  // fields 2 and 3, when they are bytes
  uint64_t number3 = 0, number4 = 0;
  bool has_number3 = false;
  std::string text4;
};

absl::StatusOr<Fields> Decode(FilesCall* call) {
  ASSIGN_OR_RETURN(const std::string message, call->ReadRequest());
  Fields fields;
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number == 2) fields.first = std::string(field.bytes);
    if (field.number == 3 && field.is_bytes) fields.second = std::string(field.bytes);
    if (field.number == 3 && field.is_varint) {
      fields.number3 = field.value;
      fields.has_number3 = true;
    }
    if (field.number == 4 && field.is_bytes) fields.text4 = std::string(field.bytes);
    if (field.number == 4 && field.is_varint) fields.number4 = field.value;
  }
  if (!reader.malformed()) return fields;
  return DetailedError(absl::StatusCode::kInvalidArgument, "the request is malformed",
                       {"INVALID_FIELD", {}});
}

absl::StatusOr<std::string> InfoOf(int directory, const std::string& name, absl::string_view path) {
  struct stat stat {};
  if (::fstatat(directory, name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0) {
    return PathError(errno, "look at", path);
  }
  std::optional<std::string> target;
  if (S_ISLNK(stat.st_mode)) {
    ASSIGN_OR_RETURN(target, ReadLinkAt(directory, name, path));
  }
  return EncodeInfo(path, stat, target);
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// The first `count` names behind `after`, in byte order; and whether there are more.
absl::StatusOr<bool> SmallestNames(UniqueFd fd, const std::string& after, size_t count,
                                   absl::string_view path, std::set<std::string>* names) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd.get()));
  if (directory == nullptr) return PathError(errno, "list", path);
  (void)fd.Release();
  bool more = false;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || name <= after) continue;
    names->insert(name);
    if (names->size() <= count) continue;
    names->erase(std::prev(names->end()));
    more = true;
  }
  if (errno != 0) return PathError(errno, "list", path);
  return more;
}

absl::Status Done(FilesCall* call) { return call->Write(FilesFrameKind::kDone, ""); }

}  // namespace

absl::Status StatFileCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const Fields fields, Decode(call));
  // A slash behind a link asks for what it leads to; only looking at it is asked so.
  const bool follow = fields.number3 != 0 || absl::EndsWith(fields.first, "/");
  ASSIGN_OR_RETURN(const Place place, FindPlace(fields.first, follow));
  ASSIGN_OR_RETURN(const std::string info, InfoOf(place.directory.get(), place.name, fields.first));
  WireWriter response;
  response.Bytes(1, info);
  return call->Write(FilesFrameKind::kDone, response.message());
}

// Field 4, the page token, is the last name of the page before.
absl::Status ListDirectoryCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const Fields fields, Decode(call));
  ASSIGN_OR_RETURN(const Place place, FindPlace(fields.first, /*follow=*/true));
  ASSIGN_OR_RETURN(UniqueFd directory, OpenDirectory(place));
  const UniqueFd same(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0));
  std::set<std::string> names;
  const size_t count = std::clamp<uint64_t>(fields.number3, 1, kPageMax);
  ASSIGN_OR_RETURN(const bool more,
                   SmallestNames(std::move(directory), fields.text4, count, fields.first, &names));
  WireWriter response;
  bool cut = more;
  for (const std::string& name : names) {
    const absl::StatusOr<std::string> info = InfoOf(same.get(), name, name);
    if (!info.ok() && !absl::IsNotFound(info.status())) return info.status();
    if (info.ok()) response.Bytes(1, *info);  // else it is gone by now
    cut = more || name != *names.rbegin();
    if (response.message().size() > kAnswerBytesMax) break;
  }
  if (cut) response.Bytes(2, "more");  // behind the last entry
  return call->Write(FilesFrameKind::kDone, response.message());
}

absl::Status MakeDirectoryCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const Fields fields, Decode(call));
  const bool parents = fields.number4 != 0;
  // What is there already is PATH_EXISTS, with a slash behind it or without.
  std::string path = fields.first;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  ASSIGN_OR_RETURN(const Place place, FindPlace(path, /*follow=*/parents, parents));
  const mode_t mode = fields.has_number3 ? fields.number3 & 0777 : 0755;
  if (place.name != "." && ::mkdirat(place.directory.get(), place.name.c_str(), mode) == 0) {
    // Whatever the umask is.
    if (::fchmodat(place.directory.get(), place.name.c_str(), mode, 0) != 0) {
      return PathError(errno, "set the mode of", fields.first);
    }
    return Done(call);
  }
  const int error = place.name == "." ? EEXIST : errno;
  if (error != EEXIST || !parents) return PathError(error, "make", fields.first);
  RETURN_IF_ERROR(OpenDirectory(place).status());
  return Done(call);
}

absl::Status MoveCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const Fields fields, Decode(call));
  ASSIGN_OR_RETURN(const Place source, FindPlace(fields.first, /*follow=*/false));
  ASSIGN_OR_RETURN(const Place target, FindPlace(fields.second, /*follow=*/false));
  ASSIGN_OR_RETURN(const struct stat stat, MustLook(source));
  if (target.of_directory && !S_ISDIR(stat.st_mode)) {
    return PathError(ENOTDIR, "move to", fields.second);
  }
  if (source.name == "." || target.name == ".") return PathError(EBUSY, "move", fields.first);
  const unsigned flags = fields.number4 != 0 ? 0 : RENAME_NOREPLACE;
  if (::renameat2(source.directory.get(), source.name.c_str(), target.directory.get(),
                  target.name.c_str(), flags) != 0) {
    return PathError(errno, "move", errno == EEXIST ? fields.second : fields.first);
  }
  return Done(call);
}

absl::Status RemoveCall(FilesCall* call) {
  ASSIGN_OR_RETURN(const Fields fields, Decode(call));
  ASSIGN_OR_RETURN(const Place place, FindPlace(fields.first, /*follow=*/false));
  if (place.name == ".") return PathError(EBUSY, "remove", fields.first);
  ASSIGN_OR_RETURN(const struct stat stat, MustLook(place));
  const int directory = place.directory.get();
  if (S_ISDIR(stat.st_mode) && fields.number3 != 0) {
    RETURN_IF_ERROR(RemoveTree(directory, place.name, fields.first));
  } else if (::unlinkat(directory, place.name.c_str(), S_ISDIR(stat.st_mode) ? AT_REMOVEDIR : 0) !=
             0) {
    return PathError(errno, "remove", fields.first);
  }
  return Done(call);
}

}  // namespace glovebox

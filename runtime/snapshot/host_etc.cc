#include "snapshot/host_etc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

constexpr size_t kNamesMax = 100'000;

// A trailing "/" allows the whole directory; "*" stands for one part of a name without "/". Left
// out on purpose because they often hold credentials: npmrc, pip.conf, wgetrc, gitconfig, maven,
// apt, environment, profile.d, ssh, ssl/private.
constexpr const char* kAllowed[] = {
    "alternatives/",
    "bindresvport.blacklist",
    "debian_version",
    "ethertypes",
    "fonts/",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java-*-openjdk/",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d/",
    "locale.alias",
    "localtime",
    "magic",
    "magic.mime",
    "mime.types",
    "mke2fs.conf",
    "networks",
    "os-release",
    "perl/",
    "protocols",
    "python3*/",
    "rpc",
    "services",
    "shells",
    "ssl/certs/ca-certificates.crt",
    "ssl/certs/java/",
    "ssl/openssl.cnf",
    "terminfo/",
    "timezone",
    "xattr.conf",
};

bool PartMatches(absl::string_view pattern, absl::string_view part) {
  const size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == part;
  const absl::string_view head = pattern.substr(0, star);
  const absl::string_view tail = pattern.substr(star + 1);
  return part.size() >= head.size() + tail.size() && absl::StartsWith(part, head) &&
         absl::EndsWith(part, tail);
}

enum class Match { kNo, kAncestor, kYes };

Match MatchOne(absl::string_view pattern, absl::string_view path) {
  const bool whole_directory = absl::ConsumeSuffix(&pattern, "/");
  const std::vector<absl::string_view> wanted = absl::StrSplit(pattern, '/');
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  for (size_t i = 0; i < parts.size() && i < wanted.size(); ++i) {
    if (!PartMatches(wanted[i], parts[i])) return Match::kNo;
  }
  if (parts.size() < wanted.size()) return Match::kAncestor;
  return parts.size() == wanted.size() || whole_directory ? Match::kYes : Match::kNo;
}

Match MatchAny(absl::string_view path) {
  Match best = Match::kNo;
  for (const char* pattern : kAllowed) {
    const Match match = MatchOne(pattern, path);
    if (match == Match::kYes) return match;
    if (match == Match::kAncestor) best = match;
  }
  return best;
}

class Copy {
 public:
  explicit Copy(const HostEtcLimits& limits) : limits_(limits) {}

  // Recursion is bounded by depth_max. `path` is "" or ends with "/".
  absl::Status Directory(int from_fd, int to_fd, const std::string& path, int depth) {
    if (depth > limits_.depth_max) return TooLarge();
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     ListDirectoryAt(from_fd, ".", kNamesMax));
    for (const std::string& name : names) {
      const Match match = MatchAny(path + name);
      if (match != Match::kNo) {
        RETURN_IF_ERROR(Entry(from_fd, to_fd, path, name, match, depth));
      }
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status TooLarge() {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         "the host's /etc has more than expected of what the image host copies",
                         {"HOST_ETC_TOO_LARGE", {}});
  }

  absl::Status Entry(int from_fd, int to_fd, const std::string& path, const std::string& name,
                     Match match, int depth) {
    struct stat status {};
    // Gone meanwhile, or not ours to read: skipped like everything that is not plain and public.
    if (::fstatat(from_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return absl::OkStatus();
    }
    if (status.st_uid != 0) return absl::OkStatus();
    if (S_ISDIR(status.st_mode) && (status.st_mode & 0005) == 0005) {
      if (++entries_ > limits_.entries_max) return TooLarge();
      ASSIGN_OR_RETURN(const UniqueFd from,
                       OpenAt(from_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      RETURN_IF_ERROR(MakeDirectoryAt(to_fd, name, 0755));
      ASSIGN_OR_RETURN(const UniqueFd to, OpenAt(to_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      if (::fchmod(to.get(), 0755) != 0) return ErrnoError(errno, "fchmod");
      return Directory(from.get(), to.get(), absl::StrCat(path, name, "/"), depth + 1);
    }
    if (match != Match::kYes) return absl::OkStatus();
    if (S_ISLNK(status.st_mode)) return Link(from_fd, to_fd, path, name);
    if (S_ISREG(status.st_mode)) return File(from_fd, to_fd, name);
    return absl::OkStatus();
  }

  absl::Status Link(int from_fd, int to_fd, const std::string& path, const std::string& name) {
    char buffer[4096];
    const ssize_t size = ::readlinkat(from_fd, name.c_str(), buffer, sizeof buffer);
    if (size < 0) return ErrnoError(errno, absl::StrCat("readlinkat ", name));
    const std::string target(buffer, static_cast<size_t>(size));
    if (!HostEtcLinkStaysIn(path + name, target)) return absl::OkStatus();
    if (++entries_ > limits_.entries_max) return TooLarge();
    if (::symlinkat(target.c_str(), to_fd, name.c_str()) != 0) {
      return ErrnoError(errno, absl::StrCat("symlinkat ", name));
    }
    return absl::OkStatus();
  }

  absl::Status File(int from_fd, int to_fd, const std::string& name) {
    ASSIGN_OR_RETURN(const UniqueFd from,
                     OpenAt(from_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (::fstat(from.get(), &status) != 0) return ErrnoError(errno, "fstat");
    const bool plain = S_ISREG(status.st_mode) && status.st_uid == 0 &&
                       (status.st_mode & 0004) != 0 && status.st_size >= 0;
    const uint64_t size = plain ? static_cast<uint64_t>(status.st_size) : 0;
    if (!plain || size > limits_.file_bytes_max) return absl::OkStatus();
    bytes_ += size;
    if (++entries_ > limits_.entries_max || bytes_ > limits_.bytes_max) return TooLarge();
    const std::string link = absl::StrCat("/proc/self/fd/", from.get());
    ASSIGN_OR_RETURN(const std::string content, ReadFileAt(AT_FDCWD, link, limits_.file_bytes_max));
    ASSIGN_OR_RETURN(const UniqueFd to, OpenAt(to_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644));
    if (::fchmod(to.get(), 0644) != 0) return ErrnoError(errno, "fchmod");
    return WriteAll(to.get(), content);
  }

  const HostEtcLimits& limits_;
  uint64_t bytes_ = 0;
  int entries_ = 0;
};

}  // namespace

bool HostEtcAllows(absl::string_view path) { return MatchAny(path) == Match::kYes; }

bool HostEtcLinkStaysIn(absl::string_view path, absl::string_view target) {
  std::vector<std::string> at = {"etc"};
  if (absl::StartsWith(target, "/")) {
    at.clear();
  } else {
    for (absl::string_view part : absl::StrSplit(path, '/')) at.emplace_back(part);
    at.pop_back();  // the link's own name
  }
  for (absl::string_view part : absl::StrSplit(target, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part != "..") {
      at.emplace_back(part);
    } else if (at.empty()) {
      return false;
    } else {
      at.pop_back();
    }
  }
  return at.size() > 1 && (at[0] == "usr" || at[0] == "etc");
}

absl::Status CopyHostEtc(int from_fd, int to_fd, const HostEtcLimits& limits) {
  return Copy(limits).Directory(from_fd, to_fd, "", 0);
}

}  // namespace glovebox

#include "snapshot/host_image.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/ids.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "snapshot/directory_list.h"
#include "snapshot/host_etc.h"
#include "snapshot/image_record.h"
#include "snapshot/tree_digest.h"

namespace glovebox {
namespace {

constexpr size_t kGenerationsListMax = 1000;
constexpr size_t kGenerationDigits = 32;
constexpr char kDigestPrefix[] = "sha256:";
constexpr unsigned kAgentId = 1000;

struct Directory {
  const char* path;
  mode_t mode;
  unsigned id;  // owner and group
};

// usr is where the host's /usr is bound. No workspace: a snapshot brings it. No sys: sandboxes have
// none.
constexpr Directory kDirectories[] = {
    {"dev", 0755, 0},       {"etc", 0755, 0},
    {"home", 0755, 0},      {"home/agent", 0755, kAgentId},
    {"media", 0755, 0},     {"mnt", 0755, 0},
    {"opt", 0755, 0},       {"proc", 0555, 0},
    {"root", 0700, 0},      {"run", 0755, 0},
    {"srv", 0755, 0},       {"tmp", 01777, 0},
    {"usr", 0755, 0},       {"var", 0755, 0},
    {"var/cache", 0755, 0}, {"var/lib", 0755, 0},
    {"var/log", 0755, 0},   {"var/tmp", 01777, 0},
};

struct File {
  const char* path;
  const char* content;
};

constexpr File kFiles[] = {
    // An agent's first commit must not fail for want of a name.
    {"etc/gitconfig", "[user]\n\tname = agent\n\temail = agent@sandbox.invalid\n"},
    {"etc/group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n"},
    {"etc/hostname", "sandbox\n"},
    {"etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost\n"},
    {"etc/nsswitch.conf",
     "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
     "protocols: files\nservices: files\nethers: files\nrpc: files\n"},
    {"etc/passwd",
     "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000::/home/agent:/bin/bash\n"
     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
    {"etc/profile", "PATH=/usr/local/bin:/usr/bin:/bin\nexport PATH\n"},
    {"etc/resolv.conf", ""},
};

absl::Status WriteDirectory(int root_fd, const Directory& directory) {
  RETURN_IF_ERROR(MakeDirectoryAt(root_fd, directory.path, 0700));
  if (::fchownat(root_fd, directory.path, directory.id, directory.id, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoError(errno, absl::StrCat("fchownat ", directory.path));
  }
  if (::fchmodat(root_fd, directory.path, directory.mode, 0) != 0) {
    return ErrnoError(errno, absl::StrCat("fchmodat ", directory.path));
  }
  return absl::OkStatus();
}

absl::Status WriteFile(int root_fd, const File& file) {
  ASSIGN_OR_RETURN(const UniqueFd fd,
                   OpenAt(root_fd, file.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
  if (::fchmod(fd.get(), 0644) != 0) return ErrnoError(errno, absl::StrCat("fchmod ", file.path));
  return WriteAll(fd.get(), file.content);
}

// bin, sbin, lib and the like as the host has them.
absl::Status WriteUsrLinks(int root_fd) {
  for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
    char target[256];
    const ssize_t size = ::readlink(absl::StrCat("/", name).c_str(), target, sizeof target);
    const bool needed = absl::string_view(name).size() <= 4;  // the others are the architecture's
    if (size < 0 && errno == ENOENT && !needed) continue;
    const std::string link(target, size < 0 ? 0 : static_cast<size_t>(size));
    const absl::string_view relative = absl::StripPrefix(link, "/");
    if (size < 0 || !absl::StartsWith(relative, "usr/")) {
      return DetailedError(
          absl::StatusCode::kFailedPrecondition,
          absl::StrCat("/", name, " is not a symbolic link into /usr"),
          {"HOST_NOT_MERGED_USR",
           {{"remedy", "install the package usrmerge, or use another image than host"}}});
    }
    if (::symlinkat(std::string(relative).c_str(), root_fd, name) != 0) {
      return ErrnoError(errno, absl::StrCat("symlinkat ", name));
    }
  }
  return absl::OkStatus();
}

absl::Status WriteRoot(const std::string& root_path) {
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, root_path, 0755));
  ASSIGN_OR_RETURN(const UniqueFd root, OpenAt(AT_FDCWD, root_path, O_RDONLY | O_DIRECTORY));
  if (::fchmod(root.get(), 0755) != 0) return ErrnoError(errno, "fchmod of the host image");
  RETURN_IF_ERROR(WriteUsrLinks(root.get()));
  for (const Directory& directory : kDirectories) {
    RETURN_IF_ERROR(WriteDirectory(root.get(), directory));
  }
  for (const File& file : kFiles) RETURN_IF_ERROR(WriteFile(root.get(), file));
  ASSIGN_OR_RETURN(const UniqueFd host_etc, OpenAt(AT_FDCWD, "/etc", O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(const UniqueFd etc, OpenAt(root.get(), "etc", O_RDONLY | O_DIRECTORY));
  return CopyHostEtc(host_etc.get(), etc.get(), {});
}

absl::StatusOr<std::string> DigestOf(const std::string& root_path) {
  ASSIGN_OR_RETURN(const UniqueFd root,
                   OpenAt(AT_FDCWD, root_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return DigestTree(root.get(), {});
}

// Moves the staged generation into place, or drops it when an intact one of that name is there.
absl::Status PlaceGeneration(const std::string& staged, const std::string& path,
                             const std::string& digest) {
  const absl::StatusOr<std::string> there = DigestOf(absl::StrCat(path, "/root"));
  if (!there.ok() || *there != digest) {  // absent, or cut short by a crash of the host
    RETURN_IF_ERROR(RemoveTreeAt(AT_FDCWD, path));
    if (::rename(staged.c_str(), path.c_str()) != 0) {
      return ErrnoError(errno, absl::StrCat("rename to ", path));
    }
  }
  // The age that RemoveOld goes by is that of the last use.
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) return ErrnoError(errno, "utimensat");
  return absl::OkStatus();
}

// The directory of a generation, from "sha256:..." or bare hex digits.
std::string GenerationOf(absl::string_view digest) {
  return std::string(absl::StripPrefix(digest, kDigestPrefix).substr(0, kGenerationDigits));
}

// What cannot be removed (a mount of this namespace) stays until another time.
absl::Status RemoveOld(const std::string& directory, const std::set<std::string>& kept) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectoryAt(AT_FDCWD, directory, kGenerationsListMax));
  std::vector<std::pair<int64_t, std::string>> by_age;
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(directory, "/", name);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) continue;
    if (absl::StartsWith(name, ".staged-")) {
      (void)RemoveTreeAt(AT_FDCWD, path);
    } else if (!kept.contains(name)) {
      by_age.emplace_back(-status.st_mtim.tv_sec, path);
    }
  }
  std::sort(by_age.begin(), by_age.end());
  for (size_t i = HostImage::kGenerationsKept - 1; i < by_age.size(); ++i) {
    (void)RemoveTreeAt(AT_FDCWD, by_age[i].second);
  }
  return absl::OkStatus();
}

// The tree as a mount of its own, read-only, at its own place.
absl::Status MountReadOnly(const std::string& root_path) {
  ASSIGN_OR_RETURN(const UniqueFd mount, CloneMount(root_path));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
    return ErrnoError(errno, "mount_setattr of the host image");
  }
  return AttachMount(mount.get(), root_path);
}

}  // namespace

HostImage::HostImage(std::string directory, std::string mount_path, std::string digest)
    : directory_(std::move(directory)),
      mount_path_(std::move(mount_path)),
      digest_(std::move(digest)) {}

HostImage::~HostImage() { (void)DetachMount(mount_path_); }  // or it ends with the namespace

absl::StatusOr<std::unique_ptr<HostImage>> HostImage::Build(const std::string& directory,
                                                            const std::set<std::string>& used) {
  const std::string parent = absl::StrCat(directory, "/host-image");
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, parent, 0700));
  const std::string staged = absl::StrCat(parent, "/.staged-", NewRandomId());
  absl::Cleanup remove = [&] { (void)RemoveTreeAt(AT_FDCWD, staged); };  // else RemoveOld does
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, staged, 0700));
  RETURN_IF_ERROR(WriteRoot(absl::StrCat(staged, "/root")));
  ASSIGN_OR_RETURN(const std::string digest, DigestOf(absl::StrCat(staged, "/root")));
  const std::string generation = GenerationOf(digest);
  const std::string path = absl::StrCat(parent, "/", generation);
  RETURN_IF_ERROR(PlaceGeneration(staged, path, digest));
  std::set<std::string> kept = {generation};
  for (const std::string& one : used) kept.insert(GenerationOf(one));
  RETURN_IF_ERROR(RemoveOld(parent, kept));
  const std::string root_path = absl::StrCat(path, "/root");
  RETURN_IF_ERROR(MountReadOnly(root_path));
  return std::unique_ptr<HostImage>(
      new HostImage(parent, root_path, absl::StrCat(kDigestPrefix, digest)));
}

absl::StatusOr<RootLayers> HostImage::LayersOf(absl::string_view digest) const {
  if (digest == digest_) return Layers();
  RETURN_IF_ERROR(ParseDigest(digest).status());
  const std::string root_path = absl::StrCat(directory_, "/", GenerationOf(digest), "/root");
  struct stat status {};
  if (::lstat(root_path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return RootLayers{.layers = {Layer{nullptr, root_path, ""}},
                      .binds = {HostBind{"/usr", "/usr"}},
                      .environment = DefaultImageEnvironment()};
  }
  return DetailedError(absl::StatusCode::kNotFound,
                       absl::StrCat("the generation ", digest, " of the image host is gone"),
                       {"IMAGE_NOT_FOUND", {{"digest", std::string(digest)}}});
}

RootLayers HostImage::Layers() const {
  return RootLayers{.layers = {Layer{nullptr, mount_path_, ""}},
                    .binds = {HostBind{"/usr", "/usr"}},
                    .environment = DefaultImageEnvironment()};
}

}  // namespace glovebox

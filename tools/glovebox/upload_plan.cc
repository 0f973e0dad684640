#include "tools/glovebox/upload_plan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/sha256.h"
#include "base/status.h"
#include "glovebox/v1/tree.pb.h"

namespace glovebox {
namespace {

constexpr int kDepthMax = 250;  // the daemon's own limit
constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr mode_t kModeKept = 07777;

absl::Status Failed(int error, absl::string_view call, absl::string_view name) {
  return ErrnoError(error, absl::StrCat(call, " ", EscapeForPeople(name, 200)));
}

absl::Status Refuse(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", EscapeForPeople(name, 200), "\" ", why));
}

class Digester {
 public:
  void Update(absl::string_view bytes) {
    sha256_.Update(bytes);
    size_ += bytes.size();
  }
  v1::Digest Finish() {
    v1::Digest digest;
    digest.set_hash(sha256_.FinishHex());
    digest.set_size_bytes(static_cast<int64_t>(size_));
    return digest;
  }

 private:
  Sha256 sha256_;
  uint64_t size_ = 0;
};

v1::Digest DigestOf(absl::string_view bytes) {
  Digester digester;
  digester.Update(bytes);
  return digester.Finish();
}

void SetTime(const struct stat& status, v1::NodeProperties* properties) {
  properties->mutable_mtime()->set_seconds(status.st_mtim.tv_sec);
  properties->mutable_mtime()->set_nanos(static_cast<int32_t>(status.st_mtim.tv_nsec));
}

void SetProperties(const struct stat& status, v1::NodeProperties* properties) {
  SetTime(status, properties);
  properties->mutable_unix_mode()->set_value(status.st_mode & kModeKept);
}

struct DirCloser {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};

// By bytes, as the Remote Execution API wants them.
absl::StatusOr<std::vector<std::string>> NamesIn(int fd, absl::string_view path) {
  UniqueFd own(::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) return Failed(errno, "open", path);
  const std::unique_ptr<DIR, DirCloser> directory(::fdopendir(own.get()));
  if (directory == nullptr) return Failed(errno, "fdopendir", path);
  (void)own.Release();  // the directory's
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());  // NOLINT(concurrency-mt-unsafe): own stream
    if (entry == nullptr) break;
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return Failed(errno, "readdir", path);
  std::sort(names.begin(), names.end());
  return names;
}

class Planning {
 public:
  Planning(UploadPlan* plan, const PlanProgress& progress) : plan_(plan), progress_(progress) {}

  absl::Status Tree() {
    struct stat status {};
    if (::fstat(plan_->directory.get(), &status) != 0) return Failed(errno, "fstat", ".");
    device_ = status.st_dev;
    v1::Tree tree;
    tree_ = &tree;
    RETURN_IF_ERROR(Directory(plan_->directory.get(), "", 0, tree.mutable_root()));
    UploadBlob blob;
    blob.bytes = tree.SerializeAsString();
    blob.digest = DigestOf(blob.bytes);
    plan_->root = blob.digest;
    Add(std::move(blob));
    return absl::OkStatus();
  }

  absl::Status File(int parent, const std::string& entry, const std::string& path,
                    v1::Digest* digest) {
    const UniqueFd fd(
        ::openat(parent, entry.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd.valid()) return Failed(errno, "open", path);
    Digester digester;
    buffer_.resize(kPieceBytes);
    for (;;) {
      const ssize_t count = ::read(fd.get(), buffer_.data(), buffer_.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Failed(errno, "read", path);
      if (count == 0) break;
      digester.Update(absl::string_view(buffer_.data(), static_cast<size_t>(count)));
      read_ += static_cast<uint64_t>(count);
      progress_(files_, read_);
    }
    ++files_;
    UploadBlob blob;
    blob.digest = digester.Finish();
    blob.file = path;
    *digest = blob.digest;
    if (blob.digest.size_bytes() > 0) Add(std::move(blob));
    return absl::OkStatus();
  }

 private:
  void Add(UploadBlob blob) {
    if (!known_.insert(blob.digest.hash()).second) return;
    plan_->bytes += static_cast<uint64_t>(blob.digest.size_bytes());
    plan_->blobs.push_back(std::move(blob));
  }

  absl::Status Directory(int fd, const std::string& path, int depth, v1::Directory* directory) {
    if (depth > kDepthMax) {
      return Refuse(path, absl::StrCat("is deeper than ", kDepthMax, " directories"));
    }
    struct stat own {};
    if (::fstat(fd, &own) != 0) return Failed(errno, "fstat", path);
    SetProperties(own, directory->mutable_node_properties());
    if (own.st_dev != device_) return absl::OkStatus();  // mounted here
    ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(fd, path));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(
          Entry(fd, name, absl::StrCat(path, path.empty() ? "" : "/", name), depth, directory));
    }
    return absl::OkStatus();
  }

  absl::Status Entry(int parent, const std::string& name, const std::string& path, int depth,
                     v1::Directory* directory) {
    struct stat status {};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Failed(errno, "stat", path);
    }
    if (S_ISREG(status.st_mode)) {
      v1::FileNode& node = *directory->add_files();
      node.set_name(name);
      node.set_is_executable((status.st_mode & S_IXUSR) != 0);
      SetProperties(status, node.mutable_node_properties());
      return File(parent, name, path, node.mutable_digest());
    }
    if (S_ISLNK(status.st_mode)) return Link(parent, name, path, status, directory->add_symlinks());
    if (!S_ISDIR(status.st_mode)) return Refuse(path, "is neither a file, a directory nor a link");
    const UniqueFd fd(
        ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return Failed(errno, "open", path);
    v1::Directory child;
    RETURN_IF_ERROR(Directory(fd.get(), path, depth + 1, &child));
    v1::DirectoryNode& node = *directory->add_directories();
    node.set_name(name);
    *node.mutable_digest() = DigestOf(child.SerializeAsString());
    if (directories_.insert(node.digest().hash()).second) *tree_->add_children() = std::move(child);
    return absl::OkStatus();
  }

  static absl::Status Link(int parent, const std::string& name, const std::string& path,
                           const struct stat& status, v1::SymlinkNode* node) {
    char target[PATH_MAX];
    const ssize_t size = ::readlinkat(parent, name.c_str(), target, sizeof target);
    if (size < 0) return Failed(errno, "readlink", path);
    node->set_name(name);
    node->set_target(std::string(target, static_cast<size_t>(size)));
    SetTime(status, node->mutable_node_properties());
    return absl::OkStatus();
  }

  UploadPlan* const plan_;
  const PlanProgress& progress_;
  v1::Tree* tree_ = nullptr;
  dev_t device_ = 0;
  std::set<std::string> known_;
  std::set<std::string> directories_;
  std::string buffer_;
  uint64_t files_ = 0;
  uint64_t read_ = 0;
};

}  // namespace

absl::StatusOr<std::string> UploadPlan::Read(const UploadBlob& blob, uint64_t offset,
                                             size_t size) const {
  size = std::min<uint64_t>(size, static_cast<uint64_t>(blob.digest.size_bytes()) - offset);
  if (blob.file.empty()) return blob.bytes.substr(offset, size);
  const UniqueFd fd(
      ::openat(directory.get(), blob.file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd.valid()) return Failed(errno, "open", blob.file);
  std::string piece(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::pread(fd.get(), &piece[done], size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed(errno, "read", blob.file);
    if (count == 0) return Refuse(blob.file, "became shorter while it was uploaded");
    done += static_cast<size_t>(count);
  }
  return piece;
}

absl::StatusOr<UploadPlan> PlanUpload(const std::string& path, const PlanProgress& progress) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return Failed(errno, "stat", path);
  UploadPlan plan;
  plan.is_tree = S_ISDIR(status.st_mode);
  if (plan.is_tree) {
    plan.directory = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!plan.directory.valid()) return Failed(errno, "open", path);
    RETURN_IF_ERROR(Planning(&plan, progress).Tree());
    return plan;
  }
  if (!S_ISREG(status.st_mode)) return Refuse(path, "is neither a file nor a directory");
  plan.directory = UniqueFd(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!plan.directory.valid()) return Failed(errno, "open", ".");
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  if (real == nullptr) return Failed(errno, "realpath", path);
  RETURN_IF_ERROR(Planning(&plan, progress).File(AT_FDCWD, real.get(), real.get(), &plan.root));
  if (plan.blobs.empty()) return Refuse(path, "is empty");
  return plan;
}

}  // namespace glovebox

#include "importer/oci_layer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "importer/byte_source.h"
#include "importer/layer_filter.h"
#include "importer/oci_source.h"
#include "importer/refusal.h"
#include "importer/tar_unpack.h"
#include "importer/tree_writer.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr uint64_t kTarOverhead = 4;

absl::StatusOr<UniqueFd> OpenRoot(const std::string& root) {
  if (::mkdir(root.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoError(errno, "mkdir");
  // Copies it up, so that the layer's disk has a directory even when nothing in it changes.
  if (::chmod(root.c_str(), 0755) != 0) return ErrnoError(errno, "chmod of the root");
  return OpenAt(AT_FDCWD, root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

TreePolicy ImagePolicy(uint64_t bytes_max) {
  TreePolicy policy;
  policy.follows_links = true;
  policy.keeps_owners = true;
  policy.keeps_set_ids = true;
  policy.replaces_trees = true;
  policy.bytes_max = bytes_max;
  return policy;
}

// Says which layer it was.
absl::Status Of(const OciLayer& layer, const absl::Status& status) {
  if (status.ok()) return status;
  const std::string message = absl::StrCat(layer.blob, ": ", status.message());
  if (absl::IsNotFound(status)) return RefuseEntry(layer.blob, "is missing");
  return {status.code(), message};
}

absl::Status UnpackOne(const OciSource& source, const OciLayer& layer, const std::string& root,
                       uint64_t bytes_max) {
  ProgressReport progress(source.SizeOf(layer.blob));
  ASSIGN_OR_RETURN(UniqueFd fd, OpenRoot(root));
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> blob, source.OpenFile(layer.blob, &progress));
  DigestedSource packed(blob.get());
  UnpackedSource unpacked(&packed, bytes_max * kTarOverhead);
  DigestedSource tar(&unpacked);
  TreeWriter writer(std::move(fd), ImagePolicy(bytes_max), &progress);
  LayerFilter filter(&writer);
  TarOptions options;
  options.absolute = AbsoluteNames::kRelativeToRoot;
  options.keeps_fifos = true;
  options.filter = &filter;
  RETURN_IF_ERROR(UnpackTar(&tar, options, &writer));
  RETURN_IF_ERROR(writer.Finish());
  ASSIGN_OR_RETURN(const std::string diff_id, tar.Finish());
  ASSIGN_OR_RETURN(const std::string digest, packed.Finish());
  if (!layer.digest.empty() && digest != layer.digest) {
    return absl::InvalidArgumentError("is not what its digest says");
  }
  if (diff_id != layer.diff_id) {
    return absl::InvalidArgumentError("holds another tar than the config's diff id says");
  }
  return absl::OkStatus();
}

struct Place {
  const char* path;
  mode_t mode;
  bool mounted;  // a sandbox mounts here: never a link
};

constexpr Place kPlaces[] = {
    {"dev", 0755, true},  {"proc", 0555, true},  {"tmp", 01777, true},   {"sys", 0755, true},
    {"run", 0755, false}, {"mnt", 0755, false},  {"media", 0755, false}, {"srv", 0755, false},
    {"opt", 0755, false}, {"home", 0755, false}, {"root", 0700, false},  {"var", 0755, false},
};

class Finishing {
 public:
  explicit Finishing(UniqueFd root)
      : root_fd_(root.get()),
        progress_(0),
        writer_(std::move(root), ImagePolicy(64 << 20), &progress_) {}

  absl::StatusOr<bool> Run(const std::string& workdir) {
    for (const char* name : {"usr", "etc"}) {
      struct stat status {};
      if (::fstatat(root_fd_, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
          !S_ISDIR(status.st_mode)) {
        return RefuseEntry(name, "is no directory of the image: not a root file system");
      }
    }
    for (const Place& place : kPlaces) RETURN_IF_ERROR(Make(place));
    RETURN_IF_ERROR(AddUser("etc/group", "agent:x:1000:\n"));
    RETURN_IF_ERROR(AddUser("etc/passwd", "agent:x:1000:1000::/home/agent:/bin/sh\n"));
    if (absl::IsNotFound(writer_.OpenDirectory("home/agent").status())) {
      RETURN_IF_ERROR(writer_.Directory("home/agent", {.mode = 0755, .uid = 1000, .gid = 1000}));
    }
    RETURN_IF_ERROR(writer_.Finish());
    return !workdir.empty() && writer_.OpenDirectory(workdir.substr(1)).ok();
  }

 private:
  absl::Status Make(const Place& place) {
    struct stat status {};
    if (::fstatat(root_fd_, place.path, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) return ErrnoError(errno, "fstatat");
      return writer_.Directory(place.path, {.mode = place.mode});
    }
    if (place.mounted && !S_ISDIR(status.st_mode)) {
      return RefuseEntry(place.path, "is no directory, and sandboxes mount there");
    }
    // Everybody's, whatever the image has it for.
    if (place.mode == 01777) return writer_.Directory(place.path, {.mode = place.mode});
    return absl::OkStatus();
  }

  // A line of an image's passwd or group whose third field is 1000 is as good as ours.
  absl::Status AddUser(const std::string& name, const char* line) {
    ASSIGN_OR_RETURN(const UniqueFd etc, writer_.OpenDirectory("etc"));
    const std::string last = name.substr(4);
    struct stat status {};
    std::string text;
    if (::fstatat(etc.get(), last.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      if (!S_ISREG(status.st_mode)) return RefuseEntry(name, "is no file");
      ASSIGN_OR_RETURN(text, ReadFileAt(etc.get(), last, 1 << 20));
    }
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string each = text.substr(begin, end - begin);
      const size_t second = each.find(':', std::min(each.find(':'), each.size() - 1) + 1);
      if (second != std::string::npos && each.compare(second, 6, ":1000:") == 0) {
        return absl::OkStatus();
      }
      begin = end + 1;
    }
    if (!text.empty() && text.back() != '\n') text += '\n';
    text += line;
    const EntryAttributes attributes{.mode = 0644};
    ASSIGN_OR_RETURN(const UniqueFd file, writer_.BeginFile(name, text.size(), attributes));
    RETURN_IF_ERROR(writer_.Write(file.get(), 0, text));
    return writer_.EndFile(file.get(), name, text.size(), attributes);
  }

  const int root_fd_;
  ProgressReport progress_;
  TreeWriter writer_;
};

}  // namespace

absl::Status UnpackLayers(const std::string& source, const std::vector<OciLayer>& layers,
                          const std::string& root, uint64_t bytes_max) {
  ASSIGN_OR_RETURN(const OciSource opened, OciSource::Open(source));
  for (const OciLayer& layer : layers) {
    RETURN_IF_ERROR(Of(layer, UnpackOne(opened, layer, root, bytes_max)));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FinishRoot(const std::string& root, const std::string& workdir) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenRoot(root));
  return Finishing(std::move(fd)).Run(workdir);
}

}  // namespace glovebox

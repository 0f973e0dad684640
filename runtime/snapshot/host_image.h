// The embedded image `host`: the host's own /usr, shown read-only, below a synthesized root. No
// download, nothing to build, and nothing private of the host: /etc is written by us but for an
// allow list of world-readable files of root (host_etc.h).
//
// It is built below <directory>/host-image/<generation>/root; the generation names the content, so
// a restart with an unchanged host finds its tree, and sandboxes that a former daemon left running
// keep theirs. The newest kGenerationsKept stay, and those that such sandboxes use. Ids are
// canonical: 0, and 1000 for home/agent.
#ifndef GLOVEBOX_SNAPSHOT_HOST_IMAGE_H_
#define GLOVEBOX_SNAPSHOT_HOST_IMAGE_H_

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/layer.h"

namespace glovebox {

class HostImage {
 public:
  static constexpr int kGenerationsKept = 4;

  // FAILED_PRECONDITION with reason HOST_NOT_MERGED_USR when /bin, /sbin or /lib is not a link into
  // /usr. The caller is in a private mount namespace; the root is mounted there read-only.
  // `used`: digests of generations to keep whatever their age.
  static absl::StatusOr<std::unique_ptr<HostImage>> Build(const std::string& directory,
                                                          const std::set<std::string>& used = {});
  ~HostImage();  // detaches the mount; the tree stays
  HostImage(const HostImage&) = delete;
  HostImage& operator=(const HostImage&) = delete;

  // One layer without a disk, subdirectory ""; /usr as a bind. Thread-safe.
  RootLayers Layers() const;

  // Of the generation `digest`, for looking at the files of a sandbox that was made with it; not to
  // start another from. NOT_FOUND with reason IMAGE_NOT_FOUND when its tree is gone. Thread-safe.
  absl::StatusOr<RootLayers> LayersOf(absl::string_view digest) const;

  const std::string& digest() const { return digest_; }  // "sha256:..." of the synthesized tree

 private:
  HostImage(std::string directory, std::string mount_path, std::string digest);
  std::string directory_;  // of all generations
  std::string mount_path_;
  std::string digest_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_HOST_IMAGE_H_

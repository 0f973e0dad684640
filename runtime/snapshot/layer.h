// What a sandbox's root is made of, as the content store hands it out.
#ifndef GLOVEBOX_SNAPSHOT_LAYER_H_
#define GLOVEBOX_SNAPSHOT_LAYER_H_

#include <memory>
#include <string>
#include <vector>

#include "snapshot/disk.h"

namespace glovebox {

// One overlay lowerdir. Holding it keeps it mounted and its snapshot or image undeletable (a
// lease).
struct Layer {
  std::shared_ptr<const Disk>
      disk;  // null: a directory of the daemon's own (the host image's synthesized root)
  std::string
      mount_path;  // in the daemon's mount namespace; a mount of its own, to be cloned by open_tree
  std::string subdirectory;  // lowerdir inside it; "": the mount's root
};

// A directory of the host shown read-only and not id-mapped.
struct HostBind {
  std::string host_path;
  std::string target;  // absolute, exists in the layers
};

struct RootLayers {
  std::vector<Layer> layers;  // uppermost first
  std::vector<HostBind> binds;
  std::vector<std::string> environment;  // from the image, allow-listed names only
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_LAYER_H_

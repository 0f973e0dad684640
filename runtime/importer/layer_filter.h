// What OCI's layers say besides files: whiteouts. They are carried out on the tree, which shows the
// layers below, so that overlayfs itself records them.
#ifndef GLOVEBOX_IMPORTER_LAYER_FILTER_H_
#define GLOVEBOX_IMPORTER_LAYER_FILTER_H_

#include <set>
#include <string>

#include "importer/tar_unpack.h"
#include "importer/tree_writer.h"

namespace glovebox {

// Of one layer. Devices are left out: a worker can make none, and a sandbox has a /dev of its own.
class LayerFilter final : public EntryFilter {
 public:
  explicit LayerFilter(TreeWriter* writer) : writer_(writer) {}
  absl::StatusOr<bool> Takes(const std::string& name, archive_entry* entry) override;

 private:
  absl::Status Empty(const std::string& directory);

  TreeWriter* const writer_;
  std::set<std::string> here_;  // what the layer has itself, with all directories above
};

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_LAYER_FILTER_H_

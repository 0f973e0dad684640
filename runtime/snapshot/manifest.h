// What one layer of a snapshot holds, as a list: so that the digest of a stack of layers follows
// from their lists, and no layer but a new one is ever read.
//
// A layer's manifest is the walk of its tree (tree_digest.h). Lists in the order of the walk: a
// directory before what it holds, and all of that before its next sibling. That is the order of
// bytes with "/" before every other one.
#ifndef GLOVEBOX_SNAPSHOT_MANIFEST_H_
#define GLOVEBOX_SNAPSHOT_MANIFEST_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/tree_digest.h"

namespace glovebox {

using Manifest = std::vector<TreeEntry>;

// The file's size. Every tree that may be kept has one that fits.
inline constexpr size_t kManifestBytesMax = kTreeBytesMax;

// Whether a path comes before another in the order of a walk.
bool WalksBefore(absl::string_view a, absl::string_view b);

// The tree that overlayfs shows of `layer` over the tree `below`. An entry of the layer takes the
// place of the one below; directories in both are merged, unless the layer's is opaque; a whiteout
// and everything else than a directory hides all below its path. The result has no marks.
Manifest MergeLayer(Manifest below, Manifest layer);

// The same entry by entry, so that neither the layer nor the result is held.
class LayerMerge {
 public:
  // `emit` takes the result in the order of the walk, and outlives this.
  LayerMerge(Manifest below, absl::FunctionRef<void(TreeEntry)> emit)
      : below_(std::move(below)), old_(below_.begin()), emit_(emit) {}
  LayerMerge(const LayerMerge&) = delete;
  LayerMerge& operator=(const LayerMerge&) = delete;

  void Add(TreeEntry entry);  // the layer's next
  void Finish();              // that was the last

 private:
  Manifest below_;
  Manifest::iterator old_;
  const absl::FunctionRef<void(TreeEntry)> emit_;
};

// As DigestTree of a tree with these entries, none of which has a mark.
std::string DigestOf(const Manifest& tree);

// Its form on disk.
std::string FormatManifest(const Manifest& manifest);
// The same in parts: this, then each entry in the order of the walk.
std::string ManifestHeader();
void AppendToManifest(const TreeEntry& entry, std::string* text);

// DATA_LOSS when `bytes` is not what FormatManifest can have written: another order, an entry
// without its directory, a type that no layer holds, data that does not fit the type. Takes any
// bytes.
absl::StatusOr<Manifest> ParseManifest(absl::string_view bytes);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_MANIFEST_H_

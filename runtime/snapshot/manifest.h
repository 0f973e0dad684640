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
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "snapshot/tree_digest.h"

namespace glovebox {

using Manifest = std::vector<TreeEntry>;

// The file's size; a larger tree has none, and no deltas over it.
inline constexpr size_t kManifestBytesMax = size_t{512} << 20;

// Whether a path comes before another in the order of a walk.
bool WalksBefore(absl::string_view a, absl::string_view b);

// The tree that overlayfs shows of `layer` over the tree `below`. An entry of the layer takes the
// place of the one below; directories in both are merged, unless the layer's is opaque; a whiteout
// and everything else than a directory hides all below its path. The result has no marks.
Manifest MergeLayer(Manifest below, const Manifest& layer);

// As DigestTree of a tree with these entries, none of which has a mark.
std::string DigestOf(const Manifest& tree);

// Its form on disk.
std::string FormatManifest(const Manifest& manifest);

// DATA_LOSS when `bytes` is not what FormatManifest can have written: another order, an entry
// without its directory, a type that no layer holds, data that does not fit the type. Takes any
// bytes.
absl::StatusOr<Manifest> ParseManifest(absl::string_view bytes);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_MANIFEST_H_

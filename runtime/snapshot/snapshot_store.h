// The store of snapshots: immutable trees, usually of a repository at a commit. Each is a sealed
// disk with all of the tree, or with what differs from another snapshot, its parent: then it is
// mounted as an overlay layer over the parent's.
//
//   <directory>/snapshots/<64 hex>/disk.img      sealed ext4 image; its root/ is the lowerdir
//   <directory>/snapshots/<64 hex>/record.json   what it is (snapshot_record.h)
//   <directory>/snapshots/<64 hex>/manifest      what its own disk holds (manifest.h); made when it
//                                                is needed where an earlier release kept none
//
// A snapshot is committed by renaming a staged directory whose files were flushed before, so a
// crash at any point leaves the store as it was before or after. Staged leftovers go at Open.
//
// The digest is the SHA-256 of a canonical record {format, source key, commit, tree, branch,
// content digest}; the content digest covers every name, type, mode, symbolic link target and file
// content of the tree outside /workspace/.git (tree_digest.h; git packs differ from run to run). It
// is the same whether a tree is kept whole or as a layer: for a layer it is taken from the
// manifests of the stack, and only the layer's own files are read.
//
// A snapshot's time of last use is that of its last lease; a lease is one of its parents, too.
//
// What is verified, and when:
//   Open    record.json is well-formed, is in the directory its digest names, the digest follows
//           from its fields, and disk.img has the recorded size. What fails is not listed, reported
//           by damaged(), and left on disk; so are those whose parent is.
//   Lease   the same size check again, and that ext4 mounts. Content is NOT read again: bits that
//           rot below the file system are not noticed.
//   Verify  every byte of the disks of the whole stack outside .git is read again and compared with
//           the manifests, and the content digest computed again from these.
#ifndef GLOVEBOX_SNAPSHOT_SNAPSHOT_STORE_H_
#define GLOVEBOX_SNAPSHOT_SNAPSHOT_STORE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "snapshot/disk.h"
#include "snapshot/layer.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot_record.h"

namespace glovebox {

// NOT_FOUND, SNAPSHOT_NOT_FOUND: also what is said of one that its asker may not know of.
absl::Status SnapshotNotFound(absl::string_view digest);

class SnapshotStore {
 public:
  // Idle snapshots (leased by nobody) that stay mounted, so that the next lease costs nothing.
  static constexpr size_t kIdleMountsMax = 24;
  // Of one snapshot; the launch plan has room for as many of its image.
  static constexpr uint32_t kLayersMax = 8;

  // `directory` exists. `disks` and `clock` outlive the store; leases may outlive it.
  static absl::StatusOr<std::unique_ptr<SnapshotStore>> Open(const std::string& directory,
                                                             DiskFactory* disks,
                                                             const Clock* clock);
  ~SnapshotStore();

  // All are thread-safe. An unknown digest is NOT_FOUND with reason SNAPSHOT_NOT_FOUND, a malformed
  // one INVALID_ARGUMENT.
  absl::StatusOr<SnapshotInfo> Find(absl::string_view digest) const;
  std::optional<SnapshotInfo> FindBySource(absl::string_view source_key, absl::string_view commit,
                                           absl::string_view branch,
                                           History history = History::kFull) const;
  std::vector<SnapshotInfo> List() const;    // newest first
  std::vector<std::string> damaged() const;  // directories that Open refused, with the reason

  // Seals `disk`, whose root/ holds the tree, and keeps it. A snapshot of the same digest that is
  // already there wins. FAILED_PRECONDITION with reason CONTENT_REFUSED when the tree holds what
  // a layer must not (devices, overlay attributes that redirect). With a `parent`, which the caller
  // holds a lease of, root/ is an upper over its tree. OUT_OF_RANGE when the
  // parent has kLayersMax layers.
  absl::StatusOr<SnapshotInfo> Commit(std::unique_ptr<Disk> disk, const SnapshotSource& source,
                                      absl::string_view parent = "");

  // The lowerdirs of a snapshot, uppermost first, each mounted once however many hold it.
  absl::StatusOr<std::vector<Layer>> Lease(absl::string_view digest);

  // FAILED_PRECONDITION with reason SNAPSHOT_IN_USE while a lease is held, or while it is a parent
  // of the snapshots in metadata `snapshots`.
  absl::Status Delete(absl::string_view digest);

  // DATA_LOSS with reason SNAPSHOT_DAMAGED when the content is not what was recorded.
  absl::Status Verify(absl::string_view digest);
  // The same of one entry alone: its files as Open checks them, its manifest, and with `content`
  // its own disk.
  absl::Status VerifyEntry(absl::string_view digest, bool content);

  // Whether somebody holds a lease; another may a moment later.
  bool IsLeased(absl::string_view digest) const;

 private:
  struct State;
  // The tree of a snapshot that somebody holds a lease of.
  absl::StatusOr<Manifest> TreeOf(const SnapshotInfo& info) const;
  absl::StatusOr<std::vector<Layer>> LeaseUnnoted(absl::string_view digest);
  // `info` and its parents, itself first.
  absl::StatusOr<std::vector<SnapshotInfo>> Chain(const SnapshotInfo& info) const;
  explicit SnapshotStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_SNAPSHOT_STORE_H_

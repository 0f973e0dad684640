// What clients upload, until an import takes it: files by their SHA-256, each client's apart.
//
//   <directory>/<SHA-256 of the owner's name>/<hash>-<size>            a blob, mode 0600
//   <directory>/<SHA-256 of the owner's name>/.partial-<hash>-<size>   what has come of one
//   <directory>/<SHA-256 of the owner's name>/.fresh-<id>              being written by Put
//
// Owners are apart because a blob that is named by its digest alone would tell a client what others
// have, and give it what it only knows the digest of. The bytes are a client's: nothing here looks
// into them but to digest them, and imports read them in worker sandboxes (importer_run.h).
//
// A blob gets its name by rename when its digest was compared, so one that a dead daemon left is
// whole; Open removes what is not, but for what has come of an unfinished upload. Blobs are not
// flushed to disk: an import digests each byte again as it reads it, so one that a crash of the
// host damaged is refused there (STORE_CORRUPT) and uploaded again. What is flushed is the
// snapshot.
//
// A blob is kept for an hour since it was last mentioned, and as long as there is room. While an
// import of an owner runs, nothing of that owner's is removed.
#ifndef GLOVEBOX_SNAPSHOT_BLOB_STORE_H_
#define GLOVEBOX_SNAPSHOT_BLOB_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "snapshot/blob_digest.h"
#include "snapshot/blob_limits.h"

namespace glovebox {

// What an import reads of an owner; nothing of that owner's is removed while it lives.
struct BlobLease {
  std::string directory;                   // with a file for each blob (BlobFileName)
  std::shared_ptr<const UniqueFd> pinned;  // of the directory, O_PATH
  std::shared_ptr<const void> hold;
};

struct BlobCollection {
  uint64_t removed = 0;
  uint64_t bytes_freed = 0;
  uint64_t bytes_used = 0;  // afterwards
};

struct BlobCheck {
  std::string name;     // "<owner>" for all of one, or "<owner>/<file>"
  std::string problem;  // "": whole
};

class BlobStore;

// One stream of data for a blob. Several may be for the same one: they help each other. Not
// thread-safe; what the store keeps of the upload outlives it.
class BlobUpload {
 public:
  ~BlobUpload();
  BlobUpload(const BlobUpload&) = delete;
  BlobUpload& operator=(const BlobUpload&) = delete;

  // Bytes from the start that are kept.
  uint64_t accepted() const;
  uint64_t size_bytes() const { return digest_.size_bytes; }
  // All of it is kept; Finish is next.
  bool is_whole() const { return accepted() == digest_.size_bytes; }

  // Takes what is behind `accepted`, and passes over what is before. OUT_OF_RANGE with reason
  // UPLOAD_GAP; INVALID_ARGUMENT when it goes beyond the size.
  absl::Status Write(uint64_t offset, absl::string_view bytes);

  // Compares the digest and makes it a blob; blocks for as long as reading it takes.
  // INVALID_ARGUMENT with reason DIGEST_MISMATCH, and nothing is kept.
  absl::Status Finish();

 private:
  friend class BlobStore;
  struct Part;
  BlobUpload(BlobStore* store, BlobDigest digest, std::shared_ptr<Part> part)
      : store_(store), digest_(std::move(digest)), part_(std::move(part)) {}
  BlobStore* const store_;
  const BlobDigest digest_;
  const std::shared_ptr<Part> part_;  // null: the blob is there
};

// Thread-safe. Owners are named as principals are; any string will do.
class BlobStore {
 public:
  static constexpr absl::Duration kKept = absl::Hours(1);

  // `directory` is made. `clock` outlives the store, and the store its uploads.
  static absl::StatusOr<std::unique_ptr<BlobStore>> Open(const std::string& directory,
                                                         const Clock* clock,
                                                         const BlobLimits& limits);
  ~BlobStore();

  // Those that the owner does not have, in this order, each once; the others are kept for an hour.
  std::vector<BlobDigest> FindMissing(const std::string& owner,
                                      const std::vector<BlobDigest>& digests);

  // INVALID_ARGUMENT with reason DIGEST_MISMATCH; RESOURCE_EXHAUSTED with reason IMPORT_TOO_LARGE,
  // CLIENT_QUOTA (metadata quota, limit) or STORE_FULL.
  absl::Status Put(const std::string& owner, const BlobDigest& digest, absl::string_view bytes);

  // Errors as Put's but for the digest's.
  absl::StatusOr<std::unique_ptr<BlobUpload>> Begin(const std::string& owner,
                                                    const BlobDigest& digest);

  // NOT_FOUND with reason BLOB_NOT_FOUND when the owner does not have `digest`.
  absl::StatusOr<BlobLease> Lease(const std::string& owner, const BlobDigest& digest);

  // Reads a blob again, and removes it when it is damaged: DATA_LOSS with reason STORE_CORRUPT.
  // NOT_FOUND as Lease's.
  absl::Status Verify(const std::string& owner, const BlobDigest& digest);

  // Removes what was not mentioned for kKept.
  BlobCollection Collect(bool dry_run);

  // Tells of each owner's blobs together, then of each damaged one. Changes nothing. An error is
  // one of `tell`, which ends it.
  absl::Status Check(bool read_content, absl::FunctionRef<absl::Status(const BlobCheck&)> tell);

 private:
  friend class BlobUpload;
  struct State;
  explicit BlobStore(std::shared_ptr<State> state) : state_(std::move(state)) {}
  const std::shared_ptr<State> state_;  // leases have it as well
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_BLOB_STORE_H_

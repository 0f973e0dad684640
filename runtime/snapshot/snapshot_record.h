// What the store knows of a snapshot, and its form on disk (record.json).
#ifndef GLOVEBOX_SNAPSHOT_SNAPSHOT_RECORD_H_
#define GLOVEBOX_SNAPSHOT_SNAPSHOT_RECORD_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace glovebox {

// How much of a repository's history is in a snapshot.
enum class History { kFull, kShallow, kNone };

const char* HistoryName(History history);  // "full", "shallow", "none"

// DATA_LOSS for another word.
absl::StatusOr<History> ParseHistory(absl::string_view name);

// Where a snapshot comes from. An archive or a directory has no commit, tree and branch, and one
// source key for all, so that equal trees are one snapshot.
struct SnapshotSource {
  std::string source;      // the path as the client gave it; for people
  std::string source_key;  // the repository's identity (source_key.h)
  std::string commit;      // 40 lower-case hex digits; "": none
  std::string tree;        // git's tree id of that commit, 40 lower-case hex digits; "": none
  std::string branch;      // the branch that is checked out; "": a detached HEAD
  History history = History::kFull;
  // .git counts, too: the store makes the source key of the whole layer and its parent.
  bool of_all_content = false;
};

struct SnapshotInfo {
  std::string digest;  // "sha256:" + 64 hex digits
  std::string source, source_key, commit, tree, branch;
  std::string content_digest;  // 64 hex digits
  absl::Time created;
  uint64_t bytes_used = 0;  // of its own disk, file system's own structures included
  uint64_t inodes_used = 0;
  uint64_t image_bytes = 0;  // apparent size of disk.img (sparse)
  History history = History::kFull;
  std::string parent = {};  // digest of the snapshot that this one's disk is a layer over; "": none

  // Not in the record; the store knows them.
  uint32_t layers = 1;      // its own and those of its parents
  uint64_t host_bytes = 0;  // of the host's disk, all files of the entry
  absl::Time last_used = absl::InfinitePast();
};

// The digest that the identifying fields of `info` give.
std::string SnapshotDigest(const SnapshotInfo& info);

std::string FormatSnapshotRecord(const SnapshotInfo& info);

// DATA_LOSS when `json` is not a record that FormatSnapshotRecord can have written, or its digest
// does not follow from its fields. Takes any bytes.
absl::StatusOr<SnapshotInfo> ParseSnapshotRecord(absl::string_view json);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_SNAPSHOT_RECORD_H_

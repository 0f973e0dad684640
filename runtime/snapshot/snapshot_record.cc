#include "snapshot/snapshot_record.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/sha256.h"
#include "base/status.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr char kFormat[] = "glovebox-snapshot-1";

// The names as in records.
constexpr const char* kHistoryNames[] = {"full", "shallow", "none"};

bool IsDigest(absl::string_view digest) {
  return absl::ConsumePrefix(&digest, "sha256:") && IsLowerHex(digest, 64);
}

bool IdsAreWellFormed(const SnapshotInfo& info) {
  const bool of_a_commit = IsLowerHex(info.commit, 40) && IsLowerHex(info.tree, 40);
  const bool of_none = info.commit.empty() && info.tree.empty() && info.branch.empty();
  return (of_a_commit || of_none) && IsLowerHex(info.content_digest, 64) &&
         IsLowerHex(info.source_key, 64) && (info.parent.empty() || IsDigest(info.parent));
}

}  // namespace

const char* HistoryName(History history) { return kHistoryNames[static_cast<size_t>(history)]; }

absl::StatusOr<History> ParseHistory(absl::string_view name) {
  for (const History history : {History::kFull, History::kShallow, History::kNone}) {
    if (name == HistoryName(history)) return history;
  }
  return RecordError("has an unknown history");
}

// A parent is not part of it: the tree is the same however it is kept.
std::string SnapshotDigest(const SnapshotInfo& info) {
  Sha256 digest;
  for (const std::string& field : {std::string(kFormat), info.source_key, info.commit, info.tree,
                                   info.branch, info.content_digest}) {
    digest.UpdateField(field);
  }
  if (info.history != History::kFull) digest.UpdateField(HistoryName(info.history));
  return absl::StrCat("sha256:", digest.FinishHex());
}

std::string FormatSnapshotRecord(const SnapshotInfo& info) {
  RecordJson record;
  record.SetString("format", kFormat);
  record.SetString("digest", info.digest);
  record.SetString("source", info.source);
  record.SetString("source_key", info.source_key);
  record.SetString("commit", info.commit);
  record.SetString("tree", info.tree);
  record.SetString("branch", info.branch);
  record.SetString("content_digest", info.content_digest);
  record.SetNumber("created_seconds", static_cast<uint64_t>(absl::ToUnixSeconds(info.created)));
  record.SetNumber("bytes_used", info.bytes_used);
  record.SetNumber("inodes_used", info.inodes_used);
  record.SetNumber("image_bytes", info.image_bytes);
  if (!info.parent.empty()) record.SetString("parent", info.parent);
  if (info.history != History::kFull) record.SetString("history", HistoryName(info.history));
  return record.Format();
}

absl::StatusOr<SnapshotInfo> ParseSnapshotRecord(absl::string_view json) {
  ASSIGN_OR_RETURN(
      const RecordJson record,
      RecordJson::Parse(json,
                        {"format", "digest", "source", "source_key", "commit", "tree", "branch",
                         "content_digest"},
                        {"created_seconds", "bytes_used", "inodes_used", "image_bytes"},
                        {"parent", "history"}));
  if (record.String("format") != kFormat) return RecordError("is of another format");
  const uint64_t seconds = record.Number("created_seconds");
  if (seconds > RecordJson::kSecondsMax) return RecordError("has an impossible time");
  SnapshotInfo info{.digest = record.String("digest"),
                    .source = record.String("source"),
                    .source_key = record.String("source_key"),
                    .commit = record.String("commit"),
                    .tree = record.String("tree"),
                    .branch = record.String("branch"),
                    .content_digest = record.String("content_digest"),
                    .created = absl::FromUnixSeconds(static_cast<int64_t>(seconds)),
                    .bytes_used = record.Number("bytes_used"),
                    .inodes_used = record.Number("inodes_used"),
                    .image_bytes = record.Number("image_bytes"),
                    .parent = record.Has("parent") ? record.String("parent") : ""};
  if (record.Has("history")) {
    ASSIGN_OR_RETURN(info.history, ParseHistory(record.String("history")));
  }
  if (!IdsAreWellFormed(info)) {
    return RecordError("has an id that is not hexadecimal or of the wrong length");
  }
  for (const std::string& text : {info.source, info.branch}) {
    if (EscapeForPeople(text) != text) return RecordError("has text that is not printable");
  }
  if (info.digest != SnapshotDigest(info)) return RecordError("has not the digest of its fields");
  return info;
}

}  // namespace glovebox

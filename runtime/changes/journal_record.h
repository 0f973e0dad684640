// The bytes of a stored journal: records of one of our own files, each with its length and
// checksum, so that a file that was cut anywhere is read up to there.
#ifndef GLOVEBOX_CHANGES_JOURNAL_RECORD_H_
#define GLOVEBOX_CHANGES_JOURNAL_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "changes/journal_history.h"

namespace glovebox {

inline constexpr size_t kJournalRecordBytesMax = size_t{1} << 20;

// Numbers of 8 bytes, little-endian; strings with their length before them.
class JournalWriter {
 public:
  void Number(uint64_t number);
  void Bytes(absl::string_view bytes);
  size_t size() const { return out_.size(); }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads what JournalWriter wrote. Past the end, and after it, everything is 0 or empty and ok() is
// false.
class JournalReader {
 public:
  explicit JournalReader(absl::string_view bytes) : left_(bytes) {}
  uint64_t Number();
  std::string Bytes(size_t size_max);
  bool ok() const { return ok_; }
  bool AtEnd() const { return left_.empty(); }

 private:
  absl::string_view left_;
  bool ok_ = true;
};

// First of a file.
struct JournalHead {
  uint64_t generation = 0;
  uint64_t horizon = 0;
  std::string disk;  // whose files the fingerprints are of
  // Of the host: what was appended last before it crashed may be lost, and the next points would
  // get the same numbers.
  std::string boot_id;
};

// Some versions of one point, a whole point in one or more records.
struct JournalBatch {
  uint64_t sequence = 0;
  bool is_last = true;  // of its point
  struct Item {
    LookedAtPath path;
    bool as_base = false;
  };
  std::vector<Item> items;
};

std::string EncodeHead(const JournalHead& head);
std::optional<JournalHead> DecodeHead(absl::string_view bytes);

// The versions that `history` has of the point `sequence`, as records.
std::vector<std::string> EncodePoint(const JournalHistory& history, uint64_t sequence);
// The whole history, as records behind the head; those of points up to the horizon as one.
std::vector<std::string> EncodeHistory(const JournalHistory& history);
std::optional<JournalBatch> DecodeBatch(absl::string_view bytes);

// With length and checksum before it.
std::string FrameRecord(absl::string_view record);
// Takes the record at the front of `bytes` off it; nullopt when there is no whole one.
std::optional<absl::string_view> TakeRecord(absl::string_view* bytes);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_JOURNAL_RECORD_H_

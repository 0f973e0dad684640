// The bytes of an archive file (exec_archive.h). Internal to it and its tests.
#ifndef GLOVEBOX_EXEC_ARCHIVE_FORMAT_H_
#define GLOVEBOX_EXEC_ARCHIVE_FORMAT_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/flat_bytes.h"

namespace glovebox {

inline constexpr uint32_t kArchiveMagic = 0x67624152;  // "gbAR"
inline constexpr uint32_t kArchiveVersion = 1;
inline constexpr uint32_t kTrailerMagic = 0x67624154;  // "gbAT"
inline constexpr char kHalfWrittenPrefix[] = ".half-";

struct ArchiveHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t exec_no;
  uint32_t reserved;
};

struct ArchiveTrailer {
  uint32_t magic;
  uint32_t region_corrupt;  // 1: the region broke its rules after the last record
  uint64_t records;
  uint64_t file_bytes;  // of the whole file
  uint64_t check;       // of the trailer with check 0
};
static_assert(sizeof(ArchiveHeader) == 16 && sizeof(ArchiveTrailer) == 32);

template <typename Value>
void AppendBytes(const Value& value, std::string* out) {
  absl::StrAppend(out, BytesOf(value));
}

// `bytes` has at least the size of the value.
template <typename Value>
Value ValueOf(absl::string_view bytes) {
  static_assert(std::is_trivially_copyable_v<Value>);
  Value value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Tells zeros and torn pages from what was written; no defence against intent. Whole words of 8
// bytes (records are padded), FNV-1a with the high bits folded in.
inline uint64_t CheckOf(absl::string_view bytes) {
  uint64_t check = 0xcbf29ce484222325u;
  for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    check = (check ^ ValueOf<uint64_t>(bytes.substr(i))) * 0x100000001b3u;
    check ^= check >> 29;
  }
  return check;
}

}  // namespace glovebox

#endif  // GLOVEBOX_EXEC_ARCHIVE_FORMAT_H_

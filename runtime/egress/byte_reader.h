// Takes big-endian numbers and runs of bytes off a message that somebody else wrote.
#ifndef GLOVEBOX_EGRESS_BYTE_READER_H_
#define GLOVEBOX_EGRESS_BYTE_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace glovebox {

// A value. False: there is less, and nothing was taken.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  absl::string_view rest() const { return bytes_; }

  bool Take(size_t count, absl::string_view* taken) {
    if (bytes_.size() < count) return false;
    *taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return true;
  }
  bool Skip(size_t count) {
    absl::string_view skipped;
    return Take(count, &skipped);
  }
  // Of `size` bytes, at most 4.
  bool Number(size_t size, uint32_t* value) {
    absl::string_view taken;
    if (!Take(size, &taken)) return false;
    *value = 0;
    for (const char c : taken) *value = *value << 8 | static_cast<uint8_t>(c);
    return true;
  }
  // A number of `size` bytes and as many bytes as it says.
  bool Vector(size_t size, absl::string_view* taken) {
    const absl::string_view before = bytes_;
    uint32_t count = 0;
    if (Number(size, &count) && Take(count, taken)) return true;
    bytes_ = before;
    return false;
  }

 private:
  absl::string_view bytes_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_BYTE_READER_H_

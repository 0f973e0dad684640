// Protocol Buffers' wire format, field by field.
#ifndef GLOVEBOX_BASE_WIRE_FIELD_H_
#define GLOVEBOX_BASE_WIRE_FIELD_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace glovebox {

struct WireField {
  uint32_t number = 0;
  bool is_bytes = false;   // length-delimited: `bytes`
  bool is_varint = false;  // `value`; neither: a fixed number, of no use here
  uint64_t value = 0;
  absl::string_view bytes;  // in the message
};

// Not thread-safe.
class WireReader {
 public:
  explicit WireReader(absl::string_view message) : rest_(message) {}

  // The next field into `field`; false at the end, and when the message is malformed.
  bool Next(WireField* field);
  bool malformed() const { return malformed_; }

 private:
  bool Varint(uint64_t* value);
  bool Fail();

  absl::string_view rest_;
  bool malformed_ = false;
};

// Writes messages. Not thread-safe.
class WireWriter {
 public:
  // So many bytes more are written without a copy of what is there.
  void Reserve(size_t bytes) { message_.reserve(message_.size() + bytes); }
  void Number(uint32_t field, uint64_t value);
  void Bytes(uint32_t field, absl::string_view bytes);
  std::string Take() { return std::move(message_); }
  const std::string& message() const { return message_; }

 private:
  void Varint(uint64_t value);

  std::string message_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_WIRE_FIELD_H_

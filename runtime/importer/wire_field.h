// Protocol Buffers' wire format, field by field.
#ifndef GLOVEBOX_IMPORTER_WIRE_FIELD_H_
#define GLOVEBOX_IMPORTER_WIRE_FIELD_H_

#include <cstdint>

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

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_WIRE_FIELD_H_

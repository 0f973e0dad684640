#include "base/wire_field.h"

namespace glovebox {
namespace {

constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kBytes = 2;
constexpr uint32_t kFixed32 = 5;
constexpr int kVarintBytesMax = 10;
constexpr uint64_t kNumberMax = (uint64_t{1} << 29) - 1;

}  // namespace

bool WireReader::Fail() {
  malformed_ = true;
  return false;
}

bool WireReader::Varint(uint64_t* value) {
  *value = 0;
  for (int i = 0; i < kVarintBytesMax && !rest_.empty(); ++i) {
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) return true;
  }
  return Fail();
}

bool WireReader::Next(WireField* field) {
  if (malformed_ || rest_.empty()) return false;
  uint64_t tag = 0;
  if (!Varint(&tag)) return false;
  const uint64_t number = tag >> 3;
  if (number == 0 || number > kNumberMax) return Fail();
  *field = WireField{};
  field->number = static_cast<uint32_t>(number);
  const auto type = static_cast<uint32_t>(tag & 7);
  if (type == kVarint) {
    field->is_varint = true;
    return Varint(&field->value);
  }
  uint64_t size = 0;
  if (type == kBytes) {
    if (!Varint(&size)) return false;
  } else if (type == kFixed64 || type == kFixed32) {
    size =
        type == kFixed64 ? 8 : 4;  // no message here has one; what newer ones have is passed over
  } else {
    return Fail();  // a group
  }
  if (size > rest_.size()) return Fail();
  field->is_bytes = type == kBytes;
  field->bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

void WireWriter::Varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) message_.push_back(static_cast<char>((value & 0x7f) | 0x80));
  message_.push_back(static_cast<char>(value));
}

void WireWriter::Number(uint32_t field, uint64_t value) {
  Varint(uint64_t{field} << 3 | kVarint);
  Varint(value);
}

void WireWriter::Bytes(uint32_t field, absl::string_view bytes) {
  Varint(uint64_t{field} << 3 | kBytes);
  Varint(bytes.size());
  message_.append(bytes.data(), bytes.size());
}

}  // namespace glovebox

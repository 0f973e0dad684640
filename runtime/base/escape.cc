#include "base/escape.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

// Length and value of the UTF-8 sequence at the front of `bytes`; length 0 when it is not valid
// (overlong forms, surrogates and values above U+10FFFF included; Unicode 15, table 3-7).
struct Decoded {
  size_t length = 0;
  uint32_t value = 0;
};

Decoded DecodeUtf8(absl::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return {1, lead};
  size_t length = 0;
  uint32_t value = 0;
  uint32_t least = 0;
  if ((lead & 0xe0) == 0xc0) {
    length = 2, value = lead & 0x1fu, least = 0x80;
  } else if ((lead & 0xf0) == 0xe0) {
    length = 3, value = lead & 0x0fu, least = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    length = 4, value = lead & 0x07u, least = 0x10000;
  } else {
    return {};
  }
  if (bytes.size() < length) return {};
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {};
    value = (value << 6) | (at(i) & 0x3fu);
  }
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {length, value};
}

bool IsHarmless(uint32_t c) {
  if (c < 0x20 || c == '\\' || (c >= 0x7f && c < 0xa0)) return false;
  if (c == 0x061c || c == 0x200e || c == 0x200f) return false;  // implicit bidi marks
  if (c >= 0x2028 && c <= 0x202e) return false;                 // line ends, bidi embeddings
  if (c >= 0x2060 && c <= 0x206f) return false;                 // bidi isolates, invisible
  if (c == 0x200b || c == 0xfeff || c == 0x00ad) return false;  // zero width, soft hyphen
  if (c >= 0xfff9 && c <= 0xfffb) return false;                 // annotations
  if (c >= 0xe0000 && c <= 0xe007f) return false;               // tags
  return true;
}

void AppendHex(std::string* out, uint8_t byte) {
  constexpr absl::string_view kDigits = "0123456789abcdef";
  out->append("\\x");
  out->push_back(kDigits[byte >> 4]);
  out->push_back(kDigits[byte & 0xf]);
}

}  // namespace

std::string EscapeForPeople(absl::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Decoded decoded = DecodeUtf8(bytes);
    const size_t length = decoded.length == 0 ? 1 : decoded.length;
    if (decoded.length != 0 && IsHarmless(decoded.value)) {
      absl::StrAppend(&out, bytes.substr(0, length));
    } else if (bytes[0] == '\n') {
      out.append("\\n");
    } else if (bytes[0] == '\t') {
      out.append("\\t");
    } else if (bytes[0] == '\\') {
      out.append("\\\\");
    } else {
      for (char c : bytes.substr(0, length)) AppendHex(&out, static_cast<uint8_t>(c));
    }
    bytes.remove_prefix(length);
  }
  return out;
}

std::string EscapeForPeople(absl::string_view bytes, size_t bytes_max) {
  if (bytes.size() <= bytes_max) return EscapeForPeople(bytes);
  return absl::StrCat(EscapeForPeople(bytes.substr(0, bytes_max)), "... (",
                      bytes.size() - bytes_max, " bytes more)");
}

}  // namespace glovebox

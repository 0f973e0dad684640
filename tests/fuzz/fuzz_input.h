// Taking an input apart, and what a target says when a promise is broken.
#ifndef GLOVEBOX_TESTS_FUZZ_FUZZ_INPUT_H_
#define GLOVEBOX_TESTS_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace glovebox {

// Ends the process, which the fuzzer takes for a finding.
inline void Demand(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

// ASCII without control characters.
inline bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

// Without control characters.
inline bool IsPlain(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

// Bytes from the front; an input that ends early goes on with zeros.
class FuzzInput {
 public:
  explicit FuzzInput(absl::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  absl::string_view Bytes(size_t size) {
    const absl::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  absl::string_view Rest() { return Bytes(bytes_.size()); }
  template <typename Value>
  Value Take() {
    static_assert(std::is_trivially_copyable_v<Value>);
    char raw[sizeof(Value)] = {};
    const absl::string_view taken = Bytes(sizeof raw);
    std::copy(taken.begin(), taken.end(), raw);
    Value value;
    std::memcpy(&value, raw, sizeof value);
    return value;
  }
  uint8_t Byte() { return Take<uint8_t>(); }
  // With its length, at most 255, in front.
  std::string Text() { return std::string(Bytes(Byte())); }
  // Up to the end of the line.
  absl::string_view Line() {
    const absl::string_view line = bytes_.substr(0, bytes_.find('\n'));
    bytes_.remove_prefix(std::min(bytes_.size(), line.size() + 1));
    return line;
  }

 private:
  absl::string_view bytes_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_FUZZ_FUZZ_INPUT_H_

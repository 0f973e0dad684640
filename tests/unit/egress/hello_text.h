// Client hellos as bytes, for tests.
#ifndef GLOVEBOX_TESTS_UNIT_EGRESS_HELLO_TEXT_H_
#define GLOVEBOX_TESTS_UNIT_EGRESS_HELLO_TEXT_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace glovebox::hello {

inline std::string Number(size_t size, size_t value) {
  std::string bytes;
  for (size_t i = size; i > 0; --i) bytes.push_back(static_cast<char>(value >> (8 * (i - 1))));
  return bytes;
}

inline std::string Vector(size_t size, absl::string_view bytes) {
  return Number(size, bytes.size()) + std::string(bytes);
}

inline std::string Extension(uint16_t type, absl::string_view bytes) {
  return Number(2, type) + Vector(2, bytes);
}

inline std::string NameEntry(absl::string_view name) { return Number(1, 0) + Vector(2, name); }

inline std::string ServerName(absl::string_view name) {
  return Extension(0, Vector(2, NameEntry(name)));
}

// The message without its record.
inline std::string Message(absl::string_view extensions, absl::string_view tail = "") {
  const std::string body = Number(2, 0x0303) + std::string(32, 'R') +
                           Vector(1, std::string(32, 'S')) +
                           Vector(2, Number(2, 0x1301) + Number(2, 0x1302)) +
                           Vector(1, Number(1, 0)) + Vector(2, extensions) + std::string(tail);
  return Number(1, 1) + Vector(3, body);
}

inline std::string Records(absl::string_view message, size_t record_bytes = 16384) {
  std::string records;
  for (; !message.empty(); message.remove_prefix(std::min(record_bytes, message.size()))) {
    records += Number(1, 22) + Number(2, 0x0301) + Vector(2, message.substr(0, record_bytes));
  }
  return records;
}

}  // namespace glovebox::hello

#endif  // GLOVEBOX_TESTS_UNIT_EGRESS_HELLO_TEXT_H_

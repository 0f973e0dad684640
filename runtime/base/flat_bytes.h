// Flat values as bytes: for messages between processes of ours, and for files.
#ifndef GLOVEBOX_BASE_FLAT_BYTES_H_
#define GLOVEBOX_BASE_FLAT_BYTES_H_

#include <type_traits>

#include "absl/strings/string_view.h"

namespace glovebox {

// As they lie in memory; valid as long as the value. Without padding, whose bytes nobody has set.
template <typename Value>
absl::string_view BytesOf(const Value& value) {
  static_assert(std::has_unique_object_representations_v<Value>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace glovebox

#endif  // GLOVEBOX_BASE_FLAT_BYTES_H_

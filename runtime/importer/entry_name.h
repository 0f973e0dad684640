// Names of entries in archives that others wrote.
#ifndef GLOVEBOX_IMPORTER_ENTRY_NAME_H_
#define GLOVEBOX_IMPORTER_ENTRY_NAME_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

inline constexpr size_t kNameBytesMax = 4000;
inline constexpr size_t kComponentBytesMax = 255;
inline constexpr int kDepthMax = 250;

enum class AbsoluteNames { kRefused, kRelativeToRoot };

// The name as components with single slashes between them, without "." among them; "" for the root
// itself. Bytes are kept as they are. INVALID_ARGUMENT for an empty name, "..", an absolute name
// (unless it counts from the root), a name or component that is too long; RESOURCE_EXHAUSTED when
// it is deeper than kDepthMax.
absl::StatusOr<std::string> NormalizeName(absl::string_view name, AbsoluteNames absolute);

// What is before and after the last slash.
struct SplitName {
  std::string parent;  // "": the root
  std::string last;
};
SplitName SplitLast(absl::string_view normalized);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_ENTRY_NAME_H_

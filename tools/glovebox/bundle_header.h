// What a git bundle says of itself before its pack (gitformat-bundle(5)): what it needs, and its
// references. The bytes are anybody's.
#ifndef GLOVEBOX_TOOLS_BUNDLE_HEADER_H_
#define GLOVEBOX_TOOLS_BUNDLE_HEADER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

inline constexpr size_t kBundleHeaderBytesMax = 1 << 20;
inline constexpr size_t kBundlePrerequisitesMax = 1000;

struct BundleHeader {
  std::vector<std::string> prerequisites;  // commits, 40 lower-case hex digits each
  std::string commit;                      // of the one reference
  std::string reference;                   // "HEAD" or "refs/heads/...": any bytes but line ends
  size_t bytes = 0;                        // the pack begins here
};

// `text`: the beginning of a bundle, at least up to its pack. INVALID_ARGUMENT for what is none of
// version 2 with exactly one reference and at most as many prerequisites.
absl::StatusOr<BundleHeader> ParseBundleHeader(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_BUNDLE_HEADER_H_

// Ports on the command line.
#ifndef GLOVEBOX_TOOLS_PORT_ARGUMENT_H_
#define GLOVEBOX_TOOLS_PORT_ARGUMENT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// 1 to 65535, digits alone. INVALID_ARGUMENT.
absl::StatusOr<uint16_t> ParsePort(absl::string_view text);

struct PortPair {
  uint16_t local = 0;  // 0: any that is free
  uint16_t remote = 0;
  friend bool operator==(const PortPair&, const PortPair&) = default;
};
// "8080" (the same on both sides), "9000:8080", ":8080" and "0:8080". INVALID_ARGUMENT.
absl::StatusOr<PortPair> ParsePortPair(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_PORT_ARGUMENT_H_

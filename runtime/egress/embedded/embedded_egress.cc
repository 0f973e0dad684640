#include "egress/embedded/embedded_egress.h"

extern "C" {
extern const uint8_t glovebox_embedded_egress[];
extern const uint8_t glovebox_embedded_egress_end[];
}

namespace glovebox {

std::span<const uint8_t> EmbeddedEgress() {
  return {glovebox_embedded_egress, glovebox_embedded_egress_end};
}

}  // namespace glovebox

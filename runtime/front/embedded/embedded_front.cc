#include "front/embedded/embedded_front.h"

extern "C" {
extern const uint8_t glovebox_embedded_front[];
extern const uint8_t glovebox_embedded_front_end[];
}

namespace glovebox {

std::span<const uint8_t> EmbeddedFront() {
  return {glovebox_embedded_front, glovebox_embedded_front_end};
}

}  // namespace glovebox

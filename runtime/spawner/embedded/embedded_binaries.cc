#include "spawner/embedded/embedded_binaries.h"

extern "C" {
extern const uint8_t glovebox_embedded_init[];
extern const uint8_t glovebox_embedded_init_end[];
extern const uint8_t glovebox_embedded_spawner[];
extern const uint8_t glovebox_embedded_spawner_end[];
}

namespace glovebox {

std::span<const uint8_t> EmbeddedInit() {
  return {glovebox_embedded_init, glovebox_embedded_init_end};
}

std::span<const uint8_t> EmbeddedSpawner() {
  return {glovebox_embedded_spawner, glovebox_embedded_spawner_end};
}

}  // namespace glovebox

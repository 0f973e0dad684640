// glovebox-init and glovebox-spawner as bytes, for a sealed memfd each. Immutable; any thread.
#ifndef GLOVEBOX_SPAWNER_EMBEDDED_EMBEDDED_BINARIES_H_
#define GLOVEBOX_SPAWNER_EMBEDDED_EMBEDDED_BINARIES_H_

#include <cstdint>
#include <span>

namespace glovebox {

std::span<const uint8_t> EmbeddedInit();
std::span<const uint8_t> EmbeddedSpawner();

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_EMBEDDED_EMBEDDED_BINARIES_H_

// glovebox-front as bytes, for a sealed memfd. Immutable; any thread.
#ifndef GLOVEBOX_FRONT_EMBEDDED_EMBEDDED_FRONT_H_
#define GLOVEBOX_FRONT_EMBEDDED_EMBEDDED_FRONT_H_

#include <cstdint>
#include <span>

namespace glovebox {

std::span<const uint8_t> EmbeddedFront();

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_EMBEDDED_EMBEDDED_FRONT_H_

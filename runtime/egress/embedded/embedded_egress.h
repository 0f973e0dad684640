// glovebox-egress as bytes, for a sealed memfd. Immutable; any thread.
#ifndef GLOVEBOX_EGRESS_EMBEDDED_EMBEDDED_EGRESS_H_
#define GLOVEBOX_EGRESS_EMBEDDED_EMBEDDED_EGRESS_H_

#include <cstdint>
#include <span>

namespace glovebox {

std::span<const uint8_t> EmbeddedEgress();

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_EMBEDDED_EMBEDDED_EGRESS_H_

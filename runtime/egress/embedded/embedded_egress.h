// glovebox-egress as bytes, for a sealed memfd.
#ifndef GLOVEBOX_EGRESS_EMBEDDED_EMBEDDED_EGRESS_H_
#define GLOVEBOX_EGRESS_EMBEDDED_EMBEDDED_EGRESS_H_

#include "base/embedded_program.h"

namespace glovebox {

EMBEDDED_PROGRAM(EmbeddedEgress, egress);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_EMBEDDED_EMBEDDED_EGRESS_H_

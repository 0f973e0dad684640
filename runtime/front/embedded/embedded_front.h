// glovebox-front as bytes, for a sealed memfd.
#ifndef GLOVEBOX_FRONT_EMBEDDED_EMBEDDED_FRONT_H_
#define GLOVEBOX_FRONT_EMBEDDED_EMBEDDED_FRONT_H_

#include "base/embedded_program.h"

namespace glovebox {

EMBEDDED_PROGRAM(EmbeddedFront, front);

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_EMBEDDED_EMBEDDED_FRONT_H_

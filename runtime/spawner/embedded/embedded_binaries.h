// glovebox-init and glovebox-spawner as bytes, for a sealed memfd each.
#ifndef GLOVEBOX_SPAWNER_EMBEDDED_EMBEDDED_BINARIES_H_
#define GLOVEBOX_SPAWNER_EMBEDDED_EMBEDDED_BINARIES_H_

#include "base/embedded_program.h"

namespace glovebox {

EMBEDDED_PROGRAM(EmbeddedInit, init);
EMBEDDED_PROGRAM(EmbeddedSpawner, spawner);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_EMBEDDED_EMBEDDED_BINARIES_H_

// gRPC's reflection service.
#ifndef GLOVEBOX_DAEMON_REFLECTION_H_
#define GLOVEBOX_DAEMON_REFLECTION_H_

#include "absl/status/status.h"

namespace glovebox {

// From now on every server of this process that is built serves reflection: the library sees to
// that itself when it is loaded, so it is not linked, and loaded only where it is wanted.
// FAILED_PRECONDITION when it is not there. Call it before the first server is built.
absl::Status LoadReflection();

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_REFLECTION_H_

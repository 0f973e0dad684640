// One spawner from another.
#ifndef GLOVEBOX_SPAWNER_ANOTHER_H_
#define GLOVEBOX_SPAWNER_ANOTHER_H_

#include "spawner/request.h"

namespace glovebox {

// Forks and answers the request. Returns in both processes: the new one serves the socket that came
// with the request. False when the daemon is gone.
bool MakeAnotherSpawner(const ReceivedRequest& request);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_ANOTHER_H_

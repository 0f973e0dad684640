// What a payload must not reach: things of the host that are there while the probes run, so that a
// refusal does not come from there being nothing.
#ifndef GLOVEBOX_TESTS_ESCAPE_HOST_BAIT_H_
#define GLOVEBOX_TESTS_ESCAPE_HOST_BAIT_H_

#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace glovebox {

// Listens on the host's loopback and on an abstract and a path socket, makes System V and POSIX
// shared memory, a queue, a file, a variable of the environment. Removed with the object.
class HostBait {
 public:
  HostBait();
  ~HostBait();
  // For escape_probe: "port=4711", "shm_key=..." and so on.
  std::vector<std::string> Arguments() const;

 private:
  std::string name_;
  std::string directory_;
  UniqueFd tcp_, abstract_, path_;
  int port_ = 0;
  int shm_key_ = 0;
  int shm_id_ = -1;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_ESCAPE_HOST_BAIT_H_

// Who has the sockets that listen in a sandbox, as a program says that looks about in it.
#ifndef GLOVEBOX_SERVICE_PORT_OWNERS_H_
#define GLOVEBOX_SERVICE_PORT_OWNERS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "sandbox/sandbox.h"
#include "service/port_owner_answer.h"

namespace glovebox {

// By inode; of those that could be found. Takes 5 s at most, and then what a run of the program for
// files takes to end (service/files_run.h). An answer that makes no sense is none.
std::map<uint64_t, PortOwner> FindPortOwners(std::shared_ptr<Sandbox> sandbox,
                                             const std::vector<uint64_t>& inodes,
                                             const std::function<bool()>& cancelled);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_PORT_OWNERS_H_

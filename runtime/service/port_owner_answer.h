// What the program for files answers about the owners of sockets (kFilesOwners, files/protocol.h).
#ifndef GLOVEBOX_SERVICE_PORT_OWNER_ANSWER_H_
#define GLOVEBOX_SERVICE_PORT_OWNER_ANSWER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace glovebox {

struct PortOwner {
  uint32_t pid = 0;     // in the sandbox
  std::string program;  // escaped for people
};

// Payloads can have written it: of the `inodes` alone, by inode, and nothing of what makes no
// sense.
std::map<uint64_t, PortOwner> ParsePortOwners(absl::string_view answer,
                                              const std::vector<uint64_t>& inodes);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_PORT_OWNER_ANSWER_H_

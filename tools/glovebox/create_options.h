// The options that create and run share, and the request made of them.
#ifndef GLOVEBOX_TOOLS_CREATE_OPTIONS_H_
#define GLOVEBOX_TOOLS_CREATE_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "glovebox/v1/sandbox.pb.h"
#include "tools/glovebox/verb.h"

namespace glovebox {

// As typed; "" is absent.
struct SandboxOptions {
  std::string image, repository, snapshot;
  std::string memory, pids, disk, inodes, cpus;
  std::vector<std::string> labels;  // K=V
  bool root_inside = false;
  std::string seccomp;
  std::vector<std::string> require;
};

void AddCreateOptions(Verb verb, SandboxOptions& options);

// INVALID_ARGUMENT naming the option. The snapshot stays as typed; a repository's path is made
// absolute.
absl::StatusOr<v1::CreateSandboxRequest> BuildCreateRequest(const SandboxOptions& options);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CREATE_OPTIONS_H_

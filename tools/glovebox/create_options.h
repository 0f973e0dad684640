// The options that create and run share, and the request made of them.
#ifndef GLOVEBOX_TOOLS_CREATE_OPTIONS_H_
#define GLOVEBOX_TOOLS_CREATE_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/sandbox.pb.h"
#include "tools/glovebox/egress_options.h"
#include "tools/glovebox/verb.h"

namespace glovebox {

// As typed; "" is absent.
struct SandboxOptions {
  std::string image, repository, history, snapshot;
  std::string memory, pids, disk, inodes, cpus;
  std::vector<std::string> labels;  // K=V
  std::vector<std::string> caches;  // NAME_OR_DIGEST:/PATH
  bool root_inside = false;
  std::string seccomp;
  std::vector<std::string> require;
  EgressOptions egress;
};

// --history of a repository.
void AddHistoryOption(Verb verb, std::string& history);
// INVALID_ARGUMENT for another word than full, shallow and none; "" is the daemon's choice.
absl::StatusOr<v1::RepositoryHistory> ParseHistoryArgument(absl::string_view history);

void AddCreateOptions(Verb verb, SandboxOptions& options);

// INVALID_ARGUMENT naming the option. Snapshots stay as typed; a repository's path is made
// absolute.
absl::StatusOr<v1::CreateSandboxRequest> BuildCreateRequest(const SandboxOptions& options);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CREATE_OPTIONS_H_

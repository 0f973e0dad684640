// The system calls that the peers' filters allow, and the filter in each form that a peer takes.
#ifndef GLOVEBOX_TESTS_BENCH_PEER_POLICY_H_
#define GLOVEBOX_TESTS_BENCH_PEER_POLICY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox::bench {

// Compiled BPF (an allow list, ENOSYS otherwise) in a memfd at offset 0, as bubblewrap takes it.
absl::StatusOr<UniqueFd> CompileFilter();

// An OCI config.json for `root`: seven namespaces, an id range, the same filter, memory and process
// limits, masked paths, few capabilities. `cgroup_path` is below each hierarchy's mount.
std::string OciConfig(const std::string& root, const std::string& cgroup_path,
                      const std::string& program);

struct HostRoot {
  std::string root;      // with /usr, /mnt and /src to mount over
  std::string programs;  // for /mnt
  std::string source;    // for /src
  std::string cgroup_path;
};

// The same for a root that shows the host's /usr, with the calls that `profile`, a file of the form
// of moby/profiles, allows a process without capabilities.
absl::StatusOr<std::string> OciHostConfig(const HostRoot& host,
                                          const std::vector<std::string>& arguments,
                                          const std::string& profile);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_PEER_POLICY_H_

// The system calls that the peers' filters allow, and the filter in each form that a peer takes.
#ifndef GLOVEBOX_TESTS_BENCH_PEER_POLICY_H_
#define GLOVEBOX_TESTS_BENCH_PEER_POLICY_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox::bench {

// Compiled BPF (an allow list, ENOSYS otherwise) in a memfd at offset 0, as bubblewrap takes it.
absl::StatusOr<UniqueFd> CompileFilter();

// An OCI config.json for `root`: seven namespaces, an id range, the same filter, memory and process
// limits, masked paths, few capabilities. `cgroup_path` is below each hierarchy's mount.
std::string OciConfig(const std::string& root, const std::string& cgroup_path,
                      const std::string& program);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_PEER_POLICY_H_

// Other runtimes, as equally confined as each allows: bubblewrap, crun, runc, podman.
#ifndef GLOVEBOX_TESTS_BENCH_PEERS_H_
#define GLOVEBOX_TESTS_BENCH_PEERS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "tests/bench/child.h"
#include "tests/bench/interleave.h"
#include "tests/bench/workspace.h"

namespace glovebox::bench {

// crun 1.8 refuses a hybrid cgroup tree whose v2 side owns a controller. In a mount namespace of
// this process alone, puts a tree in its place that has the v1 hierarchies only; elsewhere does
// nothing. While single-threaded, and after everything was started that must see the host's tree.
absl::Status HideHybridCgroups();

class Peers {
 public:
  // `workspace` must outlive it.
  static absl::StatusOr<Peers> Prepare(const Workspace& workspace);
  Peers(Peers&&) noexcept = default;
  Peers& operator=(Peers&&) = delete;
  ~Peers();

  // Name to version, "missing" when it is not installed.
  const std::map<std::string, std::string>& versions() const { return versions_; }

  // Those of bubblewrap, crun and runc that are there.
  std::vector<std::string> Creators() const;

  // A sandbox from nothing to the end of the program; metrics first_byte and end.
  std::vector<Case> CreateCases() const;

  // Starts a waiting container per OCI runtime and with podman, the first time; `exec` of `program`
  // into it.
  absl::StatusOr<std::vector<Case>> ExecCases(const std::string& program);

  // A command where /usr, the workspace's programs (/mnt) and `source` (/src) are to be read and
  // /dev/shm to be written: under runc with the containers' default profile, and in bubblewrap with
  // the allow list that the others have. Name to command.
  absl::StatusOr<std::map<std::string, Command>> Confined(const std::string& source,
                                                          std::vector<std::string> arguments);
  absl::StatusOr<std::string> OutputOfConfined(Command command) const;

  // `delete -f` of a waiting container, which is made outside of the time.
  std::vector<Case> EndCases() const;

  // One create-run-end of `name` ("bubblewrap", "crun", "runc"); those of different slots, 0 to
  // kSlots - 1, may go on at the same time.
  static constexpr int kSlots = 16;
  absl::StatusOr<Measurement> TimeCreate(const std::string& name, int slot) const;

 private:
  explicit Peers(const Workspace& workspace);
  bool Has(const std::string& name) const;
  Command Runtime(const std::string& runtime, std::vector<std::string> arguments) const;
  Command Podman(std::vector<std::string> arguments) const;
  absl::Status StartWaiting(const std::string& runtime, const std::string& id) const;
  absl::Status StartAll();
  absl::Status RunDetached(const Command& command) const;

  const Workspace* workspace_;
  std::string cgroup_;  // ours, in each hierarchy
  UniqueFd filter_;
  std::map<std::string, std::string> versions_;
  std::vector<std::pair<std::string, std::string>> waiting_;  // {runtime, id}
};

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_PEERS_H_

// The two glovebox-spawner processes of a daemon: one makes sandboxes, the other stands by.
//
// A spawner cannot be started anew once the daemon serves: it and every sandbox would inherit the
// daemon's filter on itself (self_filter.h). So a spawner is made by another one, which forks. When
// one of the two is gone the survivor makes a new one, which makes sandboxes from then on, while
// its maker stands by.
#ifndef GLOVEBOX_LAUNCHER_SPAWNER_PAIR_H_
#define GLOVEBOX_LAUNCHER_SPAWNER_PAIR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"
#include "spawner/spawn_wire.h"

namespace glovebox {

// Thread-safe; requests are answered one after another.
class SpawnerPair {
 public:
  // Hears of each replacement, in the thread that asked; must not ask itself.
  using ReplacedCallback = std::function<void(absl::string_view what)>;

  // From sealed copies of the two programs. `on_replaced` may be null.
  static absl::StatusOr<std::unique_ptr<SpawnerPair>> Start(absl::string_view spawner_image,
                                                            absl::string_view init_image,
                                                            ReplacedCallback on_replaced);
  ~SpawnerPair();  // both end with their sockets; inits live on
  SpawnerPair(const SpawnerPair&) = delete;
  SpawnerPair& operator=(const SpawnerPair&) = delete;

  // The spawner's answer, which may tell of a failed step, and the pidfd of the new init unless it
  // does. UNAVAILABLE with reason SPAWNER_GONE when the spawner ended meanwhile or did not answer
  // in time; the next request finds another one. What it had begun of a sandbox may still run in
  // the sandbox's cgroup.
  absl::StatusOr<std::pair<SpawnReply, UniqueFd>> Ask(SpawnRequest request,
                                                      const std::vector<int>& fds)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Answer = std::pair<SpawnReply, UniqueFd>;
  // A child of this process; both invalid: there is none.
  struct Spawner {
    UniqueFd socket;
    UniqueFd pidfd;
  };

  explicit SpawnerPair(ReplacedCallback on_replaced) : on_replaced_(std::move(on_replaced)) {}
  static bool Lives(const Spawner& spawner);
  static void KillAndReap(Spawner* spawner);
  absl::StatusOr<Answer> Converse(const Spawner& spawner, SpawnRequest request,
                                  const std::vector<int>& fds)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeActive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Mend() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ReplacedCallback on_replaced_;
  absl::Mutex mutex_;
  Spawner active_ ABSL_GUARDED_BY(mutex_);
  Spawner reserve_ ABSL_GUARDED_BY(mutex_);  // makes the next active_, and nothing else
  uint32_t next_request_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_SPAWNER_PAIR_H_

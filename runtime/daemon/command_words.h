// What glovebox-egress is to know of the commands of sandboxes at the moment at which a connection
// comes: words in memory that it can read and not write (EgressCommandWord). So nobody waits for
// anybody when a command begins, and each proxy of a daemon reads the same.
#ifndef GLOVEBOX_DAEMON_COMMAND_WORDS_H_
#define GLOVEBOX_DAEMON_COMMAND_WORDS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"
#include "egress/egress_wire.h"
#include "linux/memfd.h"

namespace glovebox {

// Thread-safe; no call waits.
class CommandWords {
 public:
  static absl::StatusOr<std::unique_ptr<CommandWords>> Make(uint32_t sandboxes_max);
  CommandWords(const CommandWords&) = delete;
  CommandWords& operator=(const CommandWords&) = delete;

  // For proxies.
  int fd() const { return fd_.get(); }

  // Which word is the sandbox's until it is left: kEgressSeveralCommands at first. There are as
  // many as sandboxes_max.
  uint32_t Take(uint64_t sandbox) ABSL_LOCKS_EXCLUDED(mutex_);
  // Nothing for a sandbox that has none.
  void Set(uint64_t sandbox, EgressCommandWord word) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(uint64_t sandbox) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  CommandWords(UniqueFd fd, SharedMapping mapping, uint32_t sandboxes_max);
  std::atomic<uint64_t>& At(uint32_t word) const;

  const UniqueFd fd_;
  const SharedMapping mapping_;
  absl::Mutex mutex_;
  std::map<uint64_t, uint32_t> of_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_COMMAND_WORDS_H_

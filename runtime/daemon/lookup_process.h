// The process that gives sandboxes' connections to any port to their way out
// (linux/socket_lookup.h): the daemon refuses itself bpf(2) and has no CAP_NET_ADMIN, so this one,
// forked before, has both and nothing else: no file, no other capability, a filter of few calls. It
// reads no bytes but the daemon's, of which it takes descriptors alone.
#ifndef GLOVEBOX_DAEMON_LOOKUP_PROCESS_H_
#define GLOVEBOX_DAEMON_LOOKUP_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"
#include "sandbox/egress_gateway.h"

namespace glovebox {

// Thread-safe. The process ends with the thread that started it.
class LookupProcess : public PortGiver {
 public:
  // Forks: while there is one thread, and before the daemon gives capabilities up. Returns when the
  // process is confined and has attached a first program, in a namespace of its own: what this
  // kernel or host refuses is an error.
  static absl::StatusOr<std::unique_ptr<LookupProcess>> Start();
  ~LookupProcess() override;  // ends it; what it gave stays
  LookupProcess(const LookupProcess&) = delete;
  LookupProcess& operator=(const LookupProcess&) = delete;

  pid_t pid() const { return pid_; }

  // INTERNAL: the kernel refuses it, or the process has ended.
  absl::StatusOr<UniqueFd> GiveEveryPort(int names, int others) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  LookupProcess(UniqueFd control, UniqueFd pidfd, pid_t pid)
      : control_(std::move(control)), pidfd_(std::move(pidfd)), pid_(pid) {}
  absl::Status LetGo(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<UniqueFd> Answer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;  // one question at a time
  UniqueFd control_ ABSL_GUARDED_BY(mutex_);
  UniqueFd pidfd_;
  const pid_t pid_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_LOOKUP_PROCESS_H_

// The processes that give sandboxes' connections to any port to their way out
// (linux/socket_lookup.h): the daemon refuses itself bpf(2) and has no CAP_NET_ADMIN, so these,
// forked before, have both and nothing else: no file, no other capability, a filter of few calls.
// They read no bytes but the daemon's, of which they take descriptors alone.
//
// None can be started anew once the daemon has given that up. So there are two: glovebox-lookup
// serves, lookup-reserve waits, and when one of them has ended the other makes it again, by a fork.
#ifndef GLOVEBOX_DAEMON_LOOKUP_PROCESS_H_
#define GLOVEBOX_DAEMON_LOOKUP_PROCESS_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "daemon/logging.h"
#include "daemon/restart_delay.h"
#include "sandbox/egress_gateway.h"

namespace glovebox {

// Thread-safe, but for Watch and EndWatch, which belong to one thread.
class LookupProcess : public PortGiver {
 public:
  // Forks: while there is one thread, and before the daemon gives capabilities up. Returns when the
  // processes are confined and one has attached a first program, in a namespace of its own: what
  // this kernel or host refuses is an error.
  static absl::StatusOr<std::unique_ptr<LookupProcess>> Start();
  ~LookupProcess() override;  // ends them; what they gave stays
  LookupProcess(const LookupProcess&) = delete;
  LookupProcess& operator=(const LookupProcess&) = delete;

  // Has each that ends made again from now on, after RestartDelay, and says so; once. The thread
  // for that has what the caller has: call it when the daemon has given up what it does.
  void Watch(const Log* log);
  // Nothing is made again any more. What serves goes on. As often as one likes.
  void EndWatch();

  // UNAVAILABLE with reason LOOKUP_GONE: it has ended, and there is no other one yet. Nobody waits
  // for that one. INTERNAL: the kernel refuses it.
  absl::StatusOr<UniqueFd> GiveEveryPort(int names, int others) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A child of this process. No pidfd: there is none. No control: it is to end.
  struct Lookup {
    UniqueFd control;
    UniqueFd pidfd;
  };

  explicit LookupProcess(UniqueFd wake) : wake_(std::move(wake)) {}
  static absl::StatusOr<Lookup> Greeted(UniqueFd control);
  static bool Lives(Lookup* one, std::string* how);
  absl::Status LetGo(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Lookup> MakeOther(int maker, absl::Time until);
  absl::Status MakeServing(absl::Time until) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status MakeReserve(absl::Time until) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Wait(int fd, int other_fd, absl::Time until);
  // The rest on the thread of Watch.
  void Run(const Log& log);
  bool Mend(const Log& log) ABSL_LOCKS_EXCLUDED(mutex_);
  bool ServingLives(std::string* how, int* pidfd) ABSL_LOCKS_EXCLUDED(mutex_);

  const UniqueFd wake_;  // eventfd: ending_ has changed
  std::atomic<bool> ending_ = false;
  Lookup reserve_;              // of Start, then of the thread
  RestartDelay restart_delay_;  // the same
  absl::Mutex mutex_;           // one question at a time
  // Its pidfd changes on the thread alone.
  Lookup serving_ ABSL_GUARDED_BY(mutex_);
  bool is_lost_ ABSL_GUARDED_BY(mutex_) = false;  // both have ended

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_LOOKUP_PROCESS_H_

// What the sandbox's limits did while a command ran: the kernel's counters of the sandbox, read at
// the start of a command and at its leader's end. Init reads them and not the daemon, so that an
// end is right though no daemon was there.
#ifndef GLOVEBOX_INIT_LIMIT_WATCH_H_
#define GLOVEBOX_INIT_LIMIT_WATCH_H_

#include <cstdint>

#include "base/unique_fd.h"
#include "init/frames.h"

namespace glovebox {

// A reading. A counter that cannot be read is 0 in every reading, so it never tells of anything.
struct LimitReading {
  uint64_t oom_kills = 0;
  uint64_t forks_refused = 0;
  uint64_t processes_peak = 0;  // with threads, and with init; 0: not known
  uint32_t full = 0;            // FullBits
};

class LimitWatch {
 public:
  // kHello's descriptors, in the order of CounterFd.
  void Take(UniqueFd* fds);
  LimitReading Read() const;
  // What happened since `before`. `shared` as in LimitFacts.
  LimitFacts Since(const LimitReading& before, bool shared) const;

 private:
  UniqueFd fds_[kCounterFds];
};

// kOomKilled, kPidsLimit or kDiskFull for a command that failed (another exit code than 0, or a
// signal that neither a client nor init sent), else `cause`, which is kExited or kSignaled.
//
// Nothing is guessed: what may have happened to another command does not replace a cause. But for
// one case: a leader that ended by a SIGKILL that nobody sent while the kernel killed somebody here
// for want of memory was that somebody; a command that kills its own leader at that moment is not
// told apart. A disk that was full before the command does not count, since any command may fail
// beside it for reasons of its own.
EndCause CauseWithLimits(EndCause cause, int exit_code, int signal, const LimitFacts& facts);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_LIMIT_WATCH_H_

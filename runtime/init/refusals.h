// System calls of commands that were refused, and that init is told of: each command's filter B has
// a listener, which init holds. Init answers with the errno that the policy says, at once, and
// counts. It never lets a call go on, and never looks at memory that a pointer leads to.
//
// The listener's life: a command's filter is in force as long as a process of its tree lives, and
// so long init keeps the listener; when init ends, the kernel ends every process of the sandbox. In
// the moment between, and where no listener could be had, refused calls get ENOSYS.
#ifndef GLOVEBOX_INIT_REFUSALS_H_
#define GLOVEBOX_INIT_REFUSALS_H_

#include <cstdint>

#include "base/unique_fd.h"
#include "init/event_set.h"
#include "init/exec_table.h"
#include "init/plan_reader.h"

namespace glovebox {

struct RefusalListener {
  UniqueFd fd;
  uint32_t exec_no = 0;
};

// More than execs: survivors keep theirs when their exec has ended.
inline constexpr uint32_t kListenersMax = 1024;

// All zero until used.
struct RefusalMemory {
  alignas(RefusalListener) char slots[kListenersMax * sizeof(RefusalListener)];
};

class Refusals {
 public:
  explicit constexpr Refusals(RefusalMemory* memory) : memory_(memory) {}

  // A pair of sockets over which a command's child hands its listener over, once for all commands.
  // 0 or -errno.
  long Open();
  // The child's side, -1 before Open.
  int sender() const { return sender_.get(); }

  // Takes what a child has sent, if it has, and watches it on behalf of `exec_no`.
  void Take(uint32_t exec_no, EventSet* events);

  // Answers one call, or gives up a listener whose last process is gone.
  void Handle(const PlanReader& plan, uint32_t slot, uint32_t ready, ExecTable* table);

 private:
  RefusalListener& at(uint32_t slot) {
    return reinterpret_cast<RefusalListener*>(memory_->slots)[slot];
  }

  RefusalMemory* memory_;
  uint32_t made_ = 0;  // slots that were used at least once
  UniqueFd sender_, receiver_;
};

// In a command's child: installs filter B, with a listener that goes to `sender` (-1: without).
// 0 or -errno.
long InstallCommandFilter(const PlanReader& plan, int sender);

// Step filter: filter A, in init itself, for it and all its commands.
void InstallInitFilter(const PlanReader& plan);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_REFUSALS_H_

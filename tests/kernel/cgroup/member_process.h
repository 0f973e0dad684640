// A child process born in a cgroup, as glovebox-init and its commands are.
#ifndef GLOVEBOX_TESTS_KERNEL_CGROUP_MEMBER_PROCESS_H_
#define GLOVEBOX_TESTS_KERNEL_CGROUP_MEMBER_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <vector>

#include "base/unique_fd.h"

namespace glovebox {

struct MemberExit {
  int code = -1;    // of exit, else -1
  int signal = -1;  // that killed it, else -1
};

class MemberProcess {
 public:
  // clone3 into `directory_fd` (ignored when negative). The child joins `tasks` by writing "0",
  // changes to `uid` (0: stays) and exits with what `body` returns. `body` must be safe after fork.
  static MemberProcess Start(int directory_fd, const std::vector<UniqueFd>& tasks, uid_t uid,
                             const std::function<int()>& body);
  MemberProcess(MemberProcess&&) = default;
  ~MemberProcess();  // kills and reaps

  int pidfd() const { return pidfd_.get(); }
  bool started() const { return pidfd_.valid(); }
  int start_error() const { return start_error_; }
  MemberExit Wait();

 private:
  MemberProcess() = default;
  UniqueFd pidfd_;
  int start_error_ = 0;
  bool reaped_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_CGROUP_MEMBER_PROCESS_H_

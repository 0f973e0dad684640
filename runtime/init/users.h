// Who a command runs as, from the sandbox's own /etc/passwd and /etc/group. Both are written by the
// payload at will: they choose among ids of the sandbox, nothing more.
#ifndef GLOVEBOX_INIT_USERS_H_
#define GLOVEBOX_INIT_USERS_H_

#include <cstdint>

#include "init/exec_limits.h"
#include "init/launch_plan.h"

namespace glovebox {

struct UserAccount {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t groups[kGroupsMax] = {};
  uint32_t group_count = 0;
  char name[64] = {};   // "" when the uid has no entry
  char home[256] = {};  // "/" when the uid has no entry
};

// `text`: "" for the plan's uid and gid, "name", "uid" or "uid:gid". 0 or -errno: ENOENT for an
// unknown name, EPERM for uid or gid 0 without root_inside, EINVAL for what is none of these.
long ResolveUser(const LaunchPlan& plan, const char* text, UserAccount* account);

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_USERS_H_

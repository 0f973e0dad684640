#include "init/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/unique_fd.h"
#include "init/report.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr SetupStep kStep = SetupStep::kLandlock;
constexpr uint64_t kWriteFile = 1 << 1;  // LANDLOCK_ACCESS_FS_WRITE_FILE
constexpr uint64_t kReadFile = 1 << 2;   // LANDLOCK_ACCESS_FS_READ_FILE
constexpr uint64_t kMakeChar = 1 << 6;   // LANDLOCK_ACCESS_FS_MAKE_CHAR
constexpr int kRulePathBeneath = 1;      // LANDLOCK_RULE_PATH_BENEATH

// As of ABI 6; an older kernel takes the longer struct when the rest of it is zero.
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};
struct [[gnu::packed]] PathBeneathAttr {
  uint64_t allowed_access;
  int32_t parent_fd;
};

void AddRule(int ruleset_fd, int path_fd, uint64_t access, const char* what) {
  PathBeneathAttr attr{access, path_fd};
  Require(raw::Call(__NR_landlock_add_rule, ruleset_fd, kRulePathBeneath, &attr, 0), kStep, what);
}

// Through no link at all: an image could point one at /proc and so have itself granted that.
long OpenRulePath(const char* path, bool directory) {
  open_how how{};
  how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | O_NOFOLLOW);
  if (directory) how.flags |= O_DIRECTORY;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return raw::OpenAt2(AT_FDCWD, path, how);
}

bool MayBeMissing(long error) { return error == -ENOENT || error == -ENOTDIR || error == -ELOOP; }

// The spawner leaves a descriptor of the sandbox's cgroup v2 directory behind those of the caches.
void AddOwnCgroup(const LaunchPlan& plan, int ruleset_fd) {
  UniqueFd cgroup(kInitLayersFd +
                  static_cast<int>(plan.layer_count + plan.bind_count + plan.cache_layer_count));
  if (raw::Fcntl(cgroup.get(), F_GETFD) == -EBADF) {
    (void)cgroup.Release();  // born in none
    return;
  }
  if ((plan.landlock.handled & kReadFile) != 0) {
    AddRule(ruleset_fd, cgroup.get(), kReadFile, "the own cgroup");
  }
}

// The domain is asked before the file system is, which would say EPERM for want of CAP_MKNOD.
void ProveDomain(uint64_t handled) {
  if ((handled & kMakeChar) == 0) return;
  long made = raw::Call(__NR_mknodat, AT_FDCWD, "/tmp/.node", S_IFCHR | 0600, makedev(1, 3));
  if (made != -EACCES) FailSetup(kStep, EPERM, "the domain is not in force");
}

}  // namespace

UniqueFd OpenMessageQueues(const PlanReader& plan) {
  if (plan.plan().landlock.handled == 0) return UniqueFd();
  UniqueFd context(static_cast<int>(raw::FsOpen("mqueue", FSOPEN_CLOEXEC)));
  if (!context.valid()) return UniqueFd();
  Require(raw::FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), kStep, "mqueue");
  return UniqueFd(static_cast<int>(
      Require(raw::FsMount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV),
              kStep, "mqueue")));
}

void EnterLandlock(const PlanReader& plan, UniqueFd queues) {
  const PlanLandlock& landlock = plan.plan().landlock;
  if (landlock.handled == 0 && landlock.scoped == 0) return;
  RulesetAttr attr{landlock.handled, 0, landlock.scoped};
  UniqueFd ruleset(
      static_cast<int>(Require(raw::Call(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0),
                               kStep, "landlock_create_ruleset")));
  for (uint32_t i = 0; i < landlock.rule_count; ++i) {
    const PlanPathRule& rule = landlock.rules[i];
    const char* path = plan.Text(rule.path);
    long fd = OpenRulePath(path, rule.is_directory != 0);
    if (rule.required == 0 && MayBeMissing(fd)) continue;
    UniqueFd target(static_cast<int>(Require(fd, kStep, path)));
    AddRule(ruleset.get(), target.get(), rule.access, path);
  }
  AddOwnCgroup(plan.plan(), ruleset.get());
  if (queues.valid()) {
    AddRule(ruleset.get(), queues.get(), kReadFile | kWriteFile, "message queues");
    queues.Reset();
  }
  Require(raw::Call(__NR_landlock_restrict_self, ruleset.get(), 0), kStep,
          "landlock_restrict_self");
  ProveDomain(landlock.handled);
}

}  // namespace glovebox

#include "policy/daemon_policy.h"

#include <linux/capability.h>
#include <sys/syscall.h>

namespace glovebox {
namespace {

#define KEEP(name, why) \
  { name, #name, why }
#define REFUSE(name, why) \
  { __NR_##name, #name, why }

}  // namespace

const std::vector<KeptCapability>& DaemonCapabilities() {
  static const std::vector<KeptCapability>& kept = *new std::vector<KeptCapability>{
      KEEP(CAP_SYS_ADMIN, "mounts, loop devices, id maps, namespaces"),
      KEEP(CAP_CHOWN, "cgroup directories and disks become the sandbox's root's"),
      KEEP(CAP_DAC_OVERRIDE, "files of a sandbox are read whatever their modes say"),
      KEEP(CAP_FOWNER, "modes and times of files in a disk being prepared"),
      KEEP(CAP_FSETID, "set-id bits stay when an image's file is written"),
      KEEP(CAP_KILL, "a sandbox's init runs as another uid"),
      KEEP(CAP_SETUID, "writing uid_map; worker sandboxes"),
      KEEP(CAP_SETGID, "writing gid_map; worker sandboxes"),
      KEEP(CAP_SETPCAP, "init empties its bounding set"),
      KEEP(CAP_SYS_CHROOT, "pivot_root in the spawner's own mount namespace"),
      KEEP(CAP_SYS_RESOURCE, "hard limits, oom_score_adj; many hosts withhold it"),
      KEEP(CAP_MKNOD, "whiteouts and device files of the stage"),
  };
  return kept;
}

const std::vector<RefusedCall>& DaemonRefusedCalls() {
  constexpr const char* kKernelCode = "would put code into the kernel";
  constexpr const char* kOthersMemory = "reads or steers other processes";
  constexpr const char* kHostState = "changes the host as a whole";
  constexpr const char* kKeys = "keys of the host";
  constexpr const char* kSurface = "a large surface that nothing here uses";
  static const std::vector<RefusedCall>& refused = *new std::vector<RefusedCall>{
      REFUSE(init_module, kKernelCode),
      REFUSE(finit_module, kKernelCode),
      REFUSE(delete_module, kKernelCode),
      REFUSE(kexec_load, kKernelCode),
      REFUSE(kexec_file_load, kKernelCode),
      REFUSE(bpf, kKernelCode),
      REFUSE(perf_event_open, kSurface),
      REFUSE(userfaultfd, kSurface),
      REFUSE(io_uring_setup, kSurface),
      REFUSE(io_uring_enter, kSurface),
      REFUSE(io_uring_register, kSurface),
      REFUSE(ptrace, kOthersMemory),
      REFUSE(process_vm_readv, kOthersMemory),
      REFUSE(process_vm_writev, kOthersMemory),
      REFUSE(pidfd_getfd, kOthersMemory),
      REFUSE(kcmp, kOthersMemory),
      REFUSE(keyctl, kKeys),
      REFUSE(add_key, kKeys),
      REFUSE(request_key, kKeys),
      REFUSE(reboot, kHostState),
      REFUSE(swapon, kHostState),
      REFUSE(swapoff, kHostState),
      REFUSE(acct, kHostState),
      REFUSE(quotactl, kHostState),
      REFUSE(settimeofday, kHostState),
      REFUSE(clock_settime, kHostState),
      REFUSE(clock_adjtime, kHostState),
      REFUSE(adjtimex, kHostState),
      REFUSE(sethostname, kHostState),
      REFUSE(setdomainname, kHostState),
      REFUSE(syslog, kHostState),
      REFUSE(vhangup, kHostState),
      REFUSE(iopl, kHostState),
      REFUSE(ioperm, kHostState),
      REFUSE(modify_ldt, kSurface),
      REFUSE(personality, kSurface),
      REFUSE(open_by_handle_at, "leaves the directory that a descriptor stands for"),
      REFUSE(move_pages, kOthersMemory),
      REFUSE(migrate_pages, kOthersMemory),
  };
  return refused;
}

}  // namespace glovebox

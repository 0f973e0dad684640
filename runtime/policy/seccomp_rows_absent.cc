// Calls that look absent (ENOSYS): known, and not allowed on purpose.
#include "policy/seccomp_rows.h"

namespace glovebox {
namespace {

using enum SeccompAction;

constexpr SeccompRow kRows[] = {
    {435, "clone3", kAbsent, kAbsent,
     "flags sit behind a pointer that a filter cannot read; the C library falls back to clone"},
    {425, "io_uring_setup", kAbsent, kAbsent,
     "most kernel exploits of its time came through io_uring; programs fall back"},
    {426, "io_uring_enter", kAbsent, kAbsent,
     "most kernel exploits of its time came through io_uring; programs fall back"},
    {427, "io_uring_register", kAbsent, kAbsent,
     "most kernel exploits of its time came through io_uring; programs fall back"},
    {428, "open_tree", kAbsent, kAbsent,
     "the new mount interface: as mount, and programs fall back"},
    {429, "move_mount", kAbsent, kAbsent,
     "the new mount interface: as mount, and programs fall back"},
    {430, "fsopen", kAbsent, kAbsent, "the new mount interface: as mount, and programs fall back"},
    {431, "fsconfig", kAbsent, kAbsent,
     "the new mount interface: as mount, and programs fall back"},
    {432, "fsmount", kAbsent, kAbsent, "the new mount interface: as mount, and programs fall back"},
    {433, "fspick", kAbsent, kAbsent, "the new mount interface: as mount, and programs fall back"},
    {442, "mount_setattr", kAbsent, kAbsent,
     "the new mount interface: as mount, and programs fall back"},
    {467, "open_tree_attr", kAbsent, kAbsent,
     "the new mount interface: as mount, and programs fall back"},
    {457, "statmount", kAbsent, kAbsent, "reads mount tables and namespaces by id, past /proc"},
    {458, "listmount", kAbsent, kAbsent, "reads mount tables and namespaces by id, past /proc"},
    {470, "listns", kAbsent, kAbsent, "reads mount tables and namespaces by id, past /proc"},
    {459, "lsm_get_self_attr", kAbsent, kAbsent, "asks the host's security modules"},
    {460, "lsm_set_self_attr", kAbsent, kAbsent, "asks the host's security modules"},
    {461, "lsm_list_modules", kAbsent, kAbsent, "asks the host's security modules"},
    {447, "memfd_secret", kAbsent, kAbsent,
     "memory that cannot be reclaimed or looked at from outside"},
    {438, "pidfd_getfd", kAbsent, kAbsent, "takes a descriptor from another process"},
    {440, "process_madvise", kAbsent, kAbsent, "advises about or ends memory of another process"},
    {448, "process_mrelease", kAbsent, kAbsent, "advises about or ends memory of another process"},
    {463, "setxattrat", kAbsent, kAbsent,
     "newer forms of calls that are allowed; programs fall back to those"},
    {464, "getxattrat", kAbsent, kAbsent,
     "newer forms of calls that are allowed; programs fall back to those"},
    {465, "listxattrat", kAbsent, kAbsent,
     "newer forms of calls that are allowed; programs fall back to those"},
    {466, "removexattrat", kAbsent, kAbsent,
     "newer forms of calls that are allowed; programs fall back to those"},
    {468, "file_getattr", kAbsent, kAbsent,
     "newer forms of calls that are allowed; programs fall back to those"},
    {469, "file_setattr", kAbsent, kAbsent,
     "newer forms of calls that are allowed; programs fall back to those"},
    {443, "quotactl_fd", kAbsent, kAbsent, "quota by descriptor: as quotactl"},
    {450, "set_mempolicy_home_node", kAbsent, kAbsent, "NUMA placement: as mbind"},
    {301, "fanotify_mark", kAbsent, kAbsent, "needs fanotify_init, which is refused"},
    {212, "lookup_dcookie", kAbsent, kAbsent,
     "a kernel that has it needs host privilege or a device that is not there"},
    {134, "uselib", kAbsent, kAbsent, "removed from Linux long ago"},
    {136, "ustat", kAbsent, kAbsent, "removed from Linux long ago"},
    {139, "sysfs", kAbsent, kAbsent, "removed from Linux long ago"},
    {156, "_sysctl", kAbsent, kAbsent, "removed from Linux long ago"},
    {174, "create_module", kAbsent, kAbsent, "removed from Linux long ago"},
    {177, "get_kernel_syms", kAbsent, kAbsent, "removed from Linux long ago"},
    {178, "query_module", kAbsent, kAbsent, "removed from Linux long ago"},
    {214, "epoll_ctl_old", kAbsent, kAbsent, "removed from Linux long ago"},
    {215, "epoll_wait_old", kAbsent, kAbsent, "removed from Linux long ago"},
    {181, "getpmsg", kAbsent, kAbsent, "never implemented in Linux"},
    {182, "putpmsg", kAbsent, kAbsent, "never implemented in Linux"},
    {183, "afs_syscall", kAbsent, kAbsent, "never implemented in Linux"},
    {184, "tuxcall", kAbsent, kAbsent, "never implemented in Linux"},
    {185, "security", kAbsent, kAbsent, "never implemented in Linux"},
    {236, "vserver", kAbsent, kAbsent, "never implemented in Linux"},
};

}  // namespace

std::span<const SeccompRow> AbsentRows() { return kRows; }

}  // namespace glovebox

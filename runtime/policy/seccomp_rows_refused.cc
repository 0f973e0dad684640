// Calls that exist and are not for payloads (EPERM).
#include "policy/seccomp_rows.h"

namespace glovebox {
namespace {

using enum SeccompAction;

constexpr SeccompRow kRows[] = {
    {155, "pivot_root", kRefuse, kRefuse,
     "no payload makes or changes a mount: mount code was a source of escapes"},
    {161, "chroot", kRefuse, kRefuse,
     "no payload makes or changes a mount: mount code was a source of escapes"},
    {165, "mount", kRefuse, kRefuse,
     "no payload makes or changes a mount: mount code was a source of escapes"},
    {166, "umount2", kRefuse, kRefuse,
     "no payload makes or changes a mount: mount code was a source of escapes"},
    {272, "unshare", kRefuse, kRefuse,
     "no new namespaces: they open kernel code that expects a privileged caller"},
    {308, "setns", kRefuse, kRefuse,
     "no new namespaces: they open kernel code that expects a privileged caller"},
    {298, "perf_event_open", kRefuse, kRefuse,
     "programs inside the kernel and its counters: large attack surface, host-wide facts"},
    {321, "bpf", kRefuse, kRefuse,
     "programs inside the kernel and its counters: large attack surface, host-wide facts"},
    {103, "syslog", kRefuse, kRefuse, "host control"},
    {153, "vhangup", kRefuse, kRefuse, "host control"},
    {163, "acct", kRefuse, kRefuse, "host control"},
    {167, "swapon", kRefuse, kRefuse, "host control"},
    {168, "swapoff", kRefuse, kRefuse, "host control"},
    {169, "reboot", kRefuse, kRefuse, "host control"},
    {179, "quotactl", kRefuse, kRefuse, "host control"},
    {180, "nfsservctl", kRefuse, kRefuse, "host control"},
    {175, "init_module", kRefuse, kRefuse, "code inside the kernel"},
    {176, "delete_module", kRefuse, kRefuse, "code inside the kernel"},
    {246, "kexec_load", kRefuse, kRefuse, "code inside the kernel"},
    {313, "finit_module", kRefuse, kRefuse, "code inside the kernel"},
    {320, "kexec_file_load", kRefuse, kRefuse, "code inside the kernel"},
    {159, "adjtimex", kRefuse, kRefuse, "the clock belongs to the host"},
    {164, "settimeofday", kRefuse, kRefuse, "the clock belongs to the host"},
    {227, "clock_settime", kRefuse, kRefuse, "the clock belongs to the host"},
    {305, "clock_adjtime", kRefuse, kRefuse, "the clock belongs to the host"},
    {170, "sethostname", kRefuse, kRefuse, "names were set by init"},
    {171, "setdomainname", kRefuse, kRefuse, "names were set by init"},
    {172, "iopl", kRefuse, kRefuse, "hardware ports"},
    {173, "ioperm", kRefuse, kRefuse, "hardware ports"},
    {248, "add_key", kRefuse, kRefuse, "keyrings are counted by user and only partly by namespace"},
    {249, "request_key", kRefuse, kRefuse,
     "keyrings are counted by user and only partly by namespace"},
    {250, "keyctl", kRefuse, kRefuse, "keyrings are counted by user and only partly by namespace"},
    {304, "open_by_handle_at", kRefuse, kRefuse, "opens files by inode, past every path"},
    {237, "mbind", kRefuse, kRefuse, "moves memory of others and steers its placement"},
    {238, "set_mempolicy", kRefuse, kRefuse, "moves memory of others and steers its placement"},
    {256, "migrate_pages", kRefuse, kRefuse, "moves memory of others and steers its placement"},
    {279, "move_pages", kRefuse, kRefuse, "moves memory of others and steers its placement"},
    {154, "modify_ldt", kRefuse, kRefuse, "segments for 16-bit code; a source of kernel faults"},
    {300, "fanotify_init", kRefuse, kRefuse, "watches whole mounts; asks for host privilege"},
    {323, "userfaultfd", kRefuse, kRefuse,
     "stops the kernel in the middle of a copy: the tool of many kernel exploits"},
};

}  // namespace

std::span<const SeccompRow> RefusedRows() { return kRows; }

}  // namespace glovebox

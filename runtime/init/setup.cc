#include "init/setup.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "init/credentials.h"
#include "init/landlock.h"
#include "init/refusals.h"
#include "init/report.h"
#include "init/resource_limits.h"
#include "init/rootfs.h"
#include "init/routes.h"
#include "linux/bare_text.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

void EnterCgroupNamespace() {
  Require(raw::Call(__NR_unshare, CLONE_NEWCGROUP), SetupStep::kCgroupNamespace, "unshare");
}

void JoinSessionKeyring() {
  long result = raw::Call(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  if (result == -ENOSYS) return;  // a kernel without keys has none to inherit
  Require(result, SetupStep::kSessionKeyring, "keyctl");
}

void SetHostname(const PlanReader& plan) {
  constexpr SetupStep kStep = SetupStep::kHostname;
  const PlanText& name = plan.plan().hostname;
  Require(raw::Call(__NR_sethostname, plan.Text(name), name.size - 1), kStep, "sethostname");
  // The host's, copied with the namespace, would tell who it is.
  Require(raw::Call(__NR_setdomainname, "(none)", 6), kStep, "setdomainname");
}

void BringLoopbackUp() {
  constexpr SetupStep kStep = SetupStep::kLoopbackUp;
  UniqueFd fd(static_cast<int>(
      Require(raw::Call(__NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), kStep, "socket")));
  ifreq request{};
  CopyText(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  Require(raw::Ioctl(fd.get(), SIOCSIFFLAGS, &request), kStep, "SIOCSIFFLAGS");
}

// Before the filter, which has only the netlink of interfaces. A kernel without it has no such
// sockets to tell of; who asks is told.
long OpenDiag() {
  return raw::Call(__NR_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                   NETLINK_SOCK_DIAG);
}

}  // namespace

DiagSockets RunSetup(const PlanReader& plan) {
  EnterCgroupNamespace();
  JoinSessionKeyring();
  Rootfs rootfs(plan);
  rootfs.Stage();
  rootfs.AttachLayers();
  rootfs.MountOverlay();
  rootfs.MountBinds();
  rootfs.MountCaches();
  rootfs.MountProc();
  rootfs.MaskProc();
  rootfs.MountDev();
  rootfs.MountTmp();
  rootfs.MountResolver();
  UniqueFd queues = OpenMessageQueues(plan);
  SetHostname(plan);
  BringLoopbackUp();
  if (plan.plan().way_out != 0) MakeEveryAddressLocal();
  DiagSockets diags;
  diags.ports = OpenDiag();
  if (plan.plan().way_out != 0) diags.clients = OpenDiag();
  // Both through descriptors from before the mask; the last namespace is made.
  rootfs.LimitNamespaces();
  rootfs.SetNetworkSysctls();
  rootfs.PivotRoot();
  rootfs.DetachOldRoot();
  rootfs.CheckRoot();
  LimitInit(plan.plan());
  DropBounding(plan.plan());
  DropCapabilities(plan.plan());
  SetNoNewPrivs();
  SetNotDumpable();
  EnterLandlock(plan, static_cast<UniqueFd&&>(queues));
  InstallInitFilter(plan);
  return diags;
}

}  // namespace glovebox

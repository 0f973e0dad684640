#include "init/credentials.h"

#include <errno.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#include "init/report.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr uint64_t Bit(int capability) { return uint64_t{1} << capability; }

uint64_t KeptByInit(const LaunchPlan& plan) {
  return Bit(CAP_SETUID) | Bit(CAP_SETGID) | Bit(CAP_KILL) | Bit(CAP_SETPCAP) |
         plan.payload_capabilities;
}

// Drops from the bounding set all but `kept`, and proves each drop.
long LimitBounding(uint64_t kept) {
  for (int capability = 0; capability < 64; ++capability) {
    long present = raw::Prctl(PR_CAPBSET_READ, capability);
    if (present == -EINVAL) return 0;  // beyond the kernel's last capability
    if (present < 0) return present;
    if (present == 0 || (kept & Bit(capability)) != 0) continue;
    long dropped = raw::Prctl(PR_CAPBSET_DROP, capability);
    if (dropped < 0) return dropped;
    if (raw::Prctl(PR_CAPBSET_READ, capability) != 0) return -EPERM;
  }
  return 0;
}

}  // namespace

void DropBounding(const LaunchPlan& plan) {
  Require(LimitBounding(KeptByInit(plan)), SetupStep::kDropBounding, "bounding set");
}

void DropCapabilities(const LaunchPlan& plan) {
  constexpr SetupStep kStep = SetupStep::kDropCapabilities;
  // Locked: no keep_caps, no ambient, and NO_SETUID_FIXUP locked at off, so that the change from
  // uid 0 to a command's uid takes the capabilities away by itself. Without root_inside an exec by
  // uid 0 gives nothing either.
  unsigned long bits = SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                       SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED |
                       SECBIT_NOROOT_LOCKED;
  if (plan.root_inside == 0) bits |= SECBIT_NOROOT;
  Require(raw::Prctl(PR_SET_SECUREBITS, bits), kStep, "securebits");
  if (raw::Prctl(PR_GET_SECUREBITS) != static_cast<long>(bits)) {
    FailSetup(kStep, EPERM, "securebits differ");
  }
  Require(raw::Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL), kStep, "ambient");
  raw::CapabilitySets wanted{KeptByInit(plan), KeptByInit(plan), 0};
  raw::CapabilitySets got;
  Require(raw::CapSet(wanted), kStep, "capset");
  Require(raw::CapGet(&got), kStep, "capget");
  if (got != wanted) FailSetup(kStep, EPERM, "capabilities differ after capset");
}

void SetNoNewPrivs() {
  constexpr SetupStep kStep = SetupStep::kNoNewPrivs;
  Require(raw::Prctl(PR_SET_NO_NEW_PRIVS, 1), kStep, "prctl");
  if (raw::Prctl(PR_GET_NO_NEW_PRIVS) != 1) FailSetup(kStep, EPERM, "no_new_privs is not set");
}

void SetNotDumpable() {
  constexpr SetupStep kStep = SetupStep::kNotDumpable;
  Require(raw::Prctl(PR_SET_DUMPABLE, 0), kStep, "prctl");
  if (raw::Prctl(PR_GET_DUMPABLE) != 0) FailSetup(kStep, EPERM, "still dumpable");
}

long LimitCommandBounding(const LaunchPlan& plan, uint64_t kept) {
  for (uint64_t rest = KeptByInit(plan) & ~kept; rest != 0; rest &= rest - 1) {
    int capability = __builtin_ctzll(rest);
    long dropped = raw::Prctl(PR_CAPBSET_DROP, capability);
    if (dropped < 0) return dropped;
    if (raw::Prctl(PR_CAPBSET_READ, capability) != 0) return -EPERM;
  }
  return 0;
}

long SetCommandCapabilities(uint64_t kept) {
  raw::CapabilitySets wanted{kept, kept, 0};
  long result = raw::CapSet(wanted);
  if (result < 0) return result;
  raw::CapabilitySets got;
  result = raw::CapGet(&got);
  if (result < 0) return result;
  return got == wanted ? 0 : -EPERM;
}

}  // namespace glovebox

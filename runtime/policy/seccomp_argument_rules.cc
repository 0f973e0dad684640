// The argument rules (filter B). Values are the kernel's, written out: they are its ABI, and some
// are in headers that cannot be included together. The first rule of a call that holds decides.
#include <cerrno>

#include "policy/seccomp_table.h"

namespace glovebox {
namespace {

constexpr uint32_t kMmap = 9, kIoctl = 16, kShmget = 29, kSocket = 41, kSocketpair = 53,
                   kClone = 56, kMknod = 133, kPersonality = 135, kPrctl = 157, kMknodat = 259,
                   kSeccomp = 317, kMemfdCreate = 319;

constexpr uint32_t kUnix = 1, kInet = 2, kInet6 = 10, kNetlink = 16;  // AF_*

ArgumentTest Equal(uint32_t argument, uint32_t value) {
  return {argument, ArgumentTest::Kind::kEqual, 0, value};
}
ArgumentTest NotEqual(uint32_t argument, uint32_t value) {
  return {argument, ArgumentTest::Kind::kNotEqual, 0, value};
}
ArgumentTest Masked(uint32_t argument, uint32_t mask, uint32_t value) {
  return {argument, ArgumentTest::Kind::kMaskedEqual, mask, value};
}

using Rules = std::vector<ArgumentRule>;

Rules TerminalRules() {
  return {
      {kIoctl,
       {Equal(1, 0x5412)},
       EPERM,
       kEveryTier,
       "TIOCSTI types into the terminal's reader",
       "write to the program's own input, or give it a terminal that you hold the other side of"},
      {kIoctl, {Equal(1, 0x541c)}, EPERM, kEveryTier, "TIOCLINUX pastes into a virtual console"},
      {kIoctl,
       {Equal(1, 0x541d)},
       EPERM,
       kEveryTier,
       "TIOCCONS takes over the host's console output"},
      {kIoctl,
       {Equal(1, 0x5423)},
       EPERM,
       kEveryTier,
       "TIOCSETD loads a line discipline: rarely used kernel code"},
  };
}

// Landlock refuses ioctls of devices since Linux 6.10; what else /dev/random has needs privilege.
Rules RandomRules() {
  return {
      {kIoctl,
       {Equal(1, 0x80045200)},
       EPERM,
       kEveryTier,
       "RNDGETENTCNT tells the state of the host's random numbers"},
  };
}

Rules InternetRules(uint32_t family) {
  return {
      {kSocket,
       {Equal(0, family), Masked(1, 0xf, 3)},
       EPERM,
       kEveryTier,
       "SOCK_RAW: forged and sniffed packets",
       "for ping use a datagram socket of IPPROTO_ICMP"},
      {kSocket,
       {Equal(0, family), Masked(1, 0xf, 10)},
       EPERM,
       kEveryTier,
       "SOCK_PACKET: the kernel turns it into a packet socket"},
      {kSocket,
       {Equal(0, family), NotEqual(2, 0), NotEqual(2, 1), NotEqual(2, 6), NotEqual(2, 17),
        NotEqual(2, 58)},
       EPROTONOSUPPORT,
       kEveryTier,
       "protocols other than ICMP, TCP, UDP (SCTP, DCCP, MPTCP, ...) are large and go nowhere from "
       "a sandbox",
       "use TCP or UDP"},
  };
}

Rules SocketRules() {
  return {
      {kSocket,
       {NotEqual(0, kUnix), NotEqual(0, kInet), NotEqual(0, kInet6), NotEqual(0, kNetlink)},
       EAFNOSUPPORT,
       kEveryTier,
       "other families (ALG, PACKET, VSOCK, ...) are rarely used kernel code, some a way to the "
       "host; programs take them for not built in",
       "use AF_UNIX, AF_INET or AF_INET6"},
      {kSocket,
       {Equal(0, kNetlink), NotEqual(2, 0)},
       EPROTONOSUPPORT,
       kEveryTier,
       "of netlink only ROUTE, which lists interfaces; nf_tables, audit and the like are not for "
       "payloads"},
  };
}

Rules SocketpairRules() {
  return {{kSocketpair,
           {NotEqual(0, kUnix)},
           EAFNOSUPPORT,
           kEveryTier,
           "pairs exist for UNIX; others (TIPC) are rarely used kernel code",
           "use AF_UNIX"}};
}

Rules CloneRules() {
  constexpr struct {
    uint32_t flag;
    const char* why;
  } kFlags[] = {
      {0x10000000, "CLONE_NEWUSER: no capabilities, not even over a namespace of its own"},
      {0x00020000, "CLONE_NEWNS: no mount namespace of its own to mount in"},
      {0x20000000, "CLONE_NEWPID: no second init"},
      {0x40000000, "CLONE_NEWNET: no network stack to configure as its root"},
      {0x08000000, "CLONE_NEWIPC: no new namespaces"},
      {0x04000000, "CLONE_NEWUTS: no new namespaces"},
      {0x02000000, "CLONE_NEWCGROUP: the cgroup root stays what init made it"},
  };
  Rules rules;
  for (const auto& [flag, why] : kFlags) {
    rules.push_back({kClone,
                     {Masked(0, flag, flag)},
                     EPERM,
                     kNotNested,
                     why,
                     "run it without a sandbox of its own: this one is there already"});
  }
  return rules;
}

Rules ProcessRules() {
  constexpr uint32_t kAsk = 0xffffffff, kLinux = 0, kNoRandomize = 0x00040000;
  return {
      {kPersonality,
       {NotEqual(0, kLinux), NotEqual(0, kAsk)},
       EPERM,
       OnlyIn(SeccompTier::kStrict),
       "READ_IMPLIES_EXEC, ADDR_NO_RANDOMIZE and the like weaken every later program"},
      {kPersonality,
       {NotEqual(0, kLinux), NotEqual(0, kAsk), NotEqual(0, kNoRandomize)},
       EPERM,
       kNotStrict,
       "as strict, but debuggers may switch address randomization off"},
      {kPrctl, {Equal(0, 35)}, EPERM, kEveryTier, "PR_SET_MM forges what /proc shows of a process"},
      {kPrctl,
       {Equal(0, 31)},
       EPERM,
       kEveryTier,
       "PR_TASK_PERF_EVENTS_DISABLE reaches counters that others attached"},
      {kPrctl,
       {Equal(0, 32)},
       EPERM,
       kEveryTier,
       "PR_TASK_PERF_EVENTS_ENABLE reaches counters that others attached"},
      {kPrctl,
       {Equal(0, 0x59616d61)},
       EPERM,
       OnlyIn(SeccompTier::kStrict),
       "PR_SET_PTRACER invites a debugger; there is none in this tier"},
  };
}

Rules NodeRules(uint32_t number, uint32_t mode) {
  constexpr uint32_t kTypeMask = 0170000, kCharacter = 0020000, kBlock = 0060000;
  return {
      {number,
       {Masked(mode, kTypeMask, kCharacter)},
       EPERM,
       kEveryTier,
       "character devices, and overlay whiteouts, which are 0:0 ones",
       "null, zero, full, random, urandom and tty are in /dev"},
      {number,
       {Masked(mode, kTypeMask, kBlock)},
       EPERM,
       kEveryTier,
       "block devices are the host's disks",
       "use a plain file"},
  };
}

// The pool of huge pages is the host's, reserved at boot, and no memory cgroup counts it. Each
// answer is one that programs know from hosts without a pool, and they go on with small pages.
Rules HugePageRules() {
  constexpr uint32_t kMapHuge = 0x40000, kShmHuge = 04000, kMemfdHuge = 4;
  constexpr const char* kWhy = "the host's reserved huge pages, which no limit of a sandbox counts";
  constexpr const char* kRemedy = "use transparent huge pages: madvise with MADV_HUGEPAGE";
  return {{kMmap, {Masked(3, kMapHuge, kMapHuge)}, ENOMEM, kEveryTier, kWhy, kRemedy, false},
          {kShmget, {Masked(2, kShmHuge, kShmHuge)}, EPERM, kEveryTier, kWhy, kRemedy, false},
          {kMemfdCreate,
           {Masked(1, kMemfdHuge, kMemfdHuge)},
           ENOSYS,
           kEveryTier,
           kWhy,
           kRemedy,
           false}};
}

// EBUSY is what the kernel itself says while an outer listener is in force. Were a payload's
// listener the newest to speak for a call that ours refuses, it could answer "continue". So this
// one is never left to a listener; see docs/decisions/0010-explained-refusals.md.
Rules ListenerRules() {
  return {
      {kSeccomp,
       {Masked(1, 1u << 3, 1u << 3)},
       EBUSY,
       kEveryTier,
       "SECCOMP_FILTER_FLAG_NEW_LISTENER: a listener of its own could let refused calls through",
       "filters without a listener can be added",
       false}};
}

Rules AllRules() {
  Rules all;
  for (const Rules& part :
       {TerminalRules(), RandomRules(), SocketRules(), InternetRules(kInet), InternetRules(kInet6),
        SocketpairRules(), CloneRules(), ProcessRules(), NodeRules(kMknod, 1),
        NodeRules(kMknodat, 2), HugePageRules(), ListenerRules()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

const std::vector<ArgumentRule>& SeccompArgumentRules() {
  static const auto* const rules = new std::vector<ArgumentRule>(AllRules());
  return *rules;
}

}  // namespace glovebox

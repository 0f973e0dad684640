// The argument rules (filter B). Values are the kernel's, written out: they are its ABI, and some
// are in headers that cannot be included together.
#include <cerrno>

#include "policy/seccomp_table.h"

namespace glovebox {
namespace {

constexpr uint32_t kIoctl = 16, kSocket = 41, kSocketpair = 53, kClone = 56, kMknod = 133,
                   kPersonality = 135, kPrctl = 157, kMknodat = 259;

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

void AddCloneRules(std::vector<ArgumentRule>* rules) {
  constexpr struct {
    uint32_t flag;
    const char* why;
  } kFlags[] = {
      {0x00020000, "CLONE_NEWNS: no mount namespace of its own to mount in"},
      {0x02000000, "CLONE_NEWCGROUP: the cgroup root stays what init made it"},
      {0x04000000, "CLONE_NEWUTS: no new namespaces"},
      {0x08000000, "CLONE_NEWIPC: no new namespaces"},
      {0x10000000, "CLONE_NEWUSER: no capabilities, not even over a namespace of its own"},
      {0x20000000, "CLONE_NEWPID: no second init"},
      {0x40000000, "CLONE_NEWNET: no network stack to configure as its root"},
  };
  for (const auto& [flag, why] : kFlags) {
    rules->push_back({kClone, {Masked(0, flag, flag)}, EPERM, true, true, why});
  }
}

void AddSocketRules(std::vector<ArgumentRule>* rules) {
  rules->push_back(
      {kSocket,
       {NotEqual(0, kUnix), NotEqual(0, kInet), NotEqual(0, kInet6), NotEqual(0, kNetlink)},
       EAFNOSUPPORT,
       true,
       true,
       "other families (ALG, PACKET, VSOCK, ...) are rarely used kernel code, some a way to the "
       "host; programs take them for not built in"});
  rules->push_back({kSocket,
                    {Equal(0, kNetlink), NotEqual(2, 0)},
                    EPROTONOSUPPORT,
                    true,
                    true,
                    "of netlink only ROUTE, which lists interfaces; nf_tables, audit and the like "
                    "are not for payloads"});
  for (uint32_t family : {kInet, kInet6}) {
    rules->push_back({kSocket,
                      {Equal(0, family), Masked(1, 0xf, 3)},
                      EPERM,
                      true,
                      true,
                      "SOCK_RAW: forged and sniffed packets"});
    rules->push_back({kSocket,
                      {Equal(0, family), Masked(1, 0xf, 10)},
                      EPERM,
                      true,
                      true,
                      "SOCK_PACKET: the kernel turns it into a packet socket"});
    rules->push_back({kSocket,
                      {Equal(0, family), NotEqual(2, 0), NotEqual(2, 1), NotEqual(2, 6),
                       NotEqual(2, 17), NotEqual(2, 58)},
                      EPROTONOSUPPORT,
                      true,
                      true,
                      "protocols other than ICMP, TCP, UDP (SCTP, DCCP, MPTCP, ...) are large and "
                      "go nowhere from a sandbox"});
  }
  rules->push_back({kSocketpair,
                    {NotEqual(0, kUnix)},
                    EAFNOSUPPORT,
                    true,
                    true,
                    "pairs exist for UNIX; others (TIPC) are rarely used kernel code"});
}

void AddTerminalRules(std::vector<ArgumentRule>* rules) {
  rules->push_back(
      {kIoctl, {Equal(1, 0x5412)}, EPERM, true, true, "TIOCSTI types into the terminal's reader"});
  rules->push_back(
      {kIoctl, {Equal(1, 0x541c)}, EPERM, true, true, "TIOCLINUX pastes into a virtual console"});
  rules->push_back({kIoctl,
                    {Equal(1, 0x541d)},
                    EPERM,
                    true,
                    true,
                    "TIOCCONS takes over the host's console output"});
  rules->push_back({kIoctl,
                    {Equal(1, 0x5423)},
                    EPERM,
                    true,
                    true,
                    "TIOCSETD loads a line discipline: rarely used kernel code"});
}

void AddProcessRules(std::vector<ArgumentRule>* rules) {
  constexpr uint32_t kAsk = 0xffffffff, kLinux = 0, kNoRandomize = 0x00040000;
  rules->push_back(
      {kPersonality,
       {NotEqual(0, kLinux), NotEqual(0, kAsk)},
       EPERM,
       true,
       false,
       "READ_IMPLIES_EXEC, ADDR_NO_RANDOMIZE and the like weaken every later program"});
  rules->push_back({kPersonality,
                    {NotEqual(0, kLinux), NotEqual(0, kAsk), NotEqual(0, kNoRandomize)},
                    EPERM,
                    false,
                    true,
                    "as strict, but debuggers may switch address randomization off"});
  rules->push_back({kPrctl,
                    {Equal(0, 35)},
                    EPERM,
                    true,
                    true,
                    "PR_SET_MM forges what /proc shows of a process"});
  rules->push_back({kPrctl,
                    {Equal(0, 31)},
                    EPERM,
                    true,
                    true,
                    "PR_TASK_PERF_EVENTS_DISABLE reaches counters that others attached"});
  rules->push_back({kPrctl,
                    {Equal(0, 32)},
                    EPERM,
                    true,
                    true,
                    "PR_TASK_PERF_EVENTS_ENABLE reaches counters that others attached"});
  rules->push_back({kPrctl,
                    {Equal(0, 0x59616d61)},
                    EPERM,
                    true,
                    false,
                    "PR_SET_PTRACER invites a debugger; there is none in this tier"});
}

void AddNodeRules(std::vector<ArgumentRule>* rules) {
  constexpr uint32_t kTypeMask = 0170000, kCharacter = 0020000, kBlock = 0060000;
  constexpr struct {
    uint32_t number;
    uint32_t mode_argument;
  } kCalls[] = {{kMknod, 1}, {kMknodat, 2}};
  for (const auto& [number, mode] : kCalls) {
    rules->push_back({number,
                      {Masked(mode, kTypeMask, kCharacter)},
                      EPERM,
                      true,
                      true,
                      "character devices, and overlay whiteouts, which are 0:0 ones"});
    rules->push_back({number,
                      {Masked(mode, kTypeMask, kBlock)},
                      EPERM,
                      true,
                      true,
                      "block devices are the host's disks"});
  }
}

std::vector<ArgumentRule> AllRules() {
  std::vector<ArgumentRule> rules;
  AddTerminalRules(&rules);
  AddSocketRules(&rules);
  AddCloneRules(&rules);
  AddProcessRules(&rules);
  AddNodeRules(&rules);
  return rules;
}

}  // namespace

const std::vector<ArgumentRule>& SeccompArgumentRules() {
  static const auto* const rules = new std::vector<ArgumentRule>(AllRules());
  return *rules;
}

}  // namespace glovebox

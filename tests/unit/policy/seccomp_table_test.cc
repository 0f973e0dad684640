#include "policy/seccomp_table.h"

#include <cerrno>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "policy/seccomp_answer.h"

namespace glovebox {
namespace {

// x86-64 has no calls with these numbers: the kernel keeps 337..423 free to align with the other
// architectures.
bool IsUnassigned(uint32_t number) { return number >= 337 && number <= 423; }

SeccompVerdict Judge(SeccompTier tier, const std::string& name, uint64_t a = 0, uint64_t b = 0,
                     uint64_t c = 0) {
  const SeccompRow* row = FindSeccompRow(name);
  EXPECT_NE(row, nullptr) << name;
  if (row == nullptr) return {};
  return JudgeSyscall(tier, {SeccompArch::kX86_64, row->number, {a, b, c, 0, 0, 0}});
}

int Answer(SeccompTier tier, const std::string& name, uint64_t a = 0, uint64_t b = 0,
           uint64_t c = 0) {
  return Judge(tier, name, a, b, c).error;
}

TEST(SeccompTable, EveryNumberUpToTheGreatestIsClassifiedOnce) {
  std::set<uint32_t> numbers;
  for (const SeccompRow& row : SeccompTable()) {
    EXPECT_TRUE(numbers.insert(row.number).second) << row.name << " twice";
    EXPECT_LE(row.number, kSeccompNumberMax);
    EXPECT_FALSE(IsUnassigned(row.number)) << row.name;
  }
  for (uint32_t number = 0; number <= kSeccompNumberMax; ++number) {
    EXPECT_EQ(numbers.contains(number), !IsUnassigned(number)) << number;
  }
}

TEST(SeccompTable, EveryRowAndRuleHasAReason) {
  for (const SeccompRow& row : SeccompTable()) {
    EXPECT_GE(std::string(row.why).size(), 5u) << row.name;
  }
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    EXPECT_GE(std::string(rule.why).size(), 10u) << rule.number;
    EXPECT_FALSE(rule.tests.empty()) << "a rule without tests belongs into the table";
    EXPECT_NE(rule.tiers & kEveryTier, 0u);
  }
}

TEST(SeccompTable, ArgumentRulesAreForCallsThatTheTableAllows) {
  for (const ArgumentRule& rule : SeccompArgumentRules()) {
    bool allowed = false;
    for (const SeccompRow& row : SeccompTable()) {
      allowed |= row.number == rule.number && row.build == SeccompAction::kAllow;
    }
    EXPECT_TRUE(allowed) << rule.number;
  }
}

TEST(SeccompTable, AllowedNumbersAreThoseThatWereVerified) {
  int strict = 0, build = 0;
  for (const SeccompRow& row : SeccompTable()) {
    strict += row.strict == SeccompAction::kAllow;
    build += row.build == SeccompAction::kAllow;
    if (row.strict == SeccompAction::kAllow) {
      EXPECT_EQ(row.build, SeccompAction::kAllow) << row.name;
    }
  }
  EXPECT_EQ(strict, 291);  // 290, and uprobe (336), which Linux 6.18 brought
  EXPECT_EQ(build, strict + 6);
}

TEST(SeccompTable, TheCallsThatEscapesWereMadeOfAreRefusedUnlessATierIsNamedForThem) {
  for (SeccompTier tier : kSeccompTiers) {
    for (const char* name : {"bpf", "perf_event_open", "keyctl", "add_key", "request_key",
                             "userfaultfd", "open_by_handle_at", "init_module", "kexec_load",
                             "reboot", "syslog", "swapon", "settimeofday", "modify_ldt"}) {
      EXPECT_EQ(Answer(tier, name), EPERM) << name << " in " << SeccompTierName(tier);
    }
    for (const char* name : {"clone3", "io_uring_setup", "io_uring_enter", "memfd_secret",
                             "pidfd_getfd", "lsm_list_modules"}) {
      EXPECT_EQ(Answer(tier, name), ENOSYS) << name << " in " << SeccompTierName(tier);
    }
    const bool nested = TierMakesNamespaces(tier);
    for (const char* name : {"mount", "umount2", "pivot_root", "chroot", "setns", "unshare"}) {
      EXPECT_EQ(Answer(tier, name), nested ? 0 : EPERM) << name << " in " << SeccompTierName(tier);
    }
    for (const char* name : {"fsopen", "move_mount", "open_tree", "mount_setattr"}) {
      EXPECT_EQ(Answer(tier, name), nested ? 0 : ENOSYS) << name << " in " << SeccompTierName(tier);
    }
  }
}

TEST(SeccompTable, OnlyNestedAndI386AreWeakerThanTheDefault) {
  for (SeccompTier tier : kSeccompTiers) {
    int more = 0;
    for (const SeccompRow& row : SeccompTable()) {
      more += row.action(tier) == SeccompAction::kAllow && row.build != SeccompAction::kAllow;
    }
    EXPECT_EQ(more > 0, TierMakesNamespaces(tier)) << SeccompTierName(tier);
    const SeccompVerdict i386 = JudgeSyscall(tier, {SeccompArch::kI386, 20, {}});  // getpid
    EXPECT_EQ(i386.kills, tier != SeccompTier::kI386) << SeccompTierName(tier);
    EXPECT_EQ(IsWeakerTier(tier), more > 0 || !i386.kills);
    EXPECT_TRUE(JudgeSyscall(tier, {SeccompArch::kX32, 39, {}}).kills);
  }
}

TEST(SeccompTable, TiersAreFoundByTheirNamesOnly) {
  for (SeccompTier tier : kSeccompTiers) EXPECT_EQ(FindSeccompTier(SeccompTierName(tier)), tier);
  for (const char* name : {"", "Build", "default", "unconfined"}) {
    EXPECT_EQ(FindSeccompTier(name), std::nullopt) << name;
  }
}

TEST(SeccompTable, EveryI386CallIsThereOnceAndHasAReason) {
  std::set<uint32_t> numbers;
  for (const SeccompI386Row& row : SeccompI386Table()) {
    EXPECT_TRUE(numbers.insert(row.number).second) << row.name << " twice";
    EXPECT_TRUE(row.like != nullptr || std::string(row.why).size() >= 5) << row.name;
  }
  EXPECT_EQ(numbers.size(), 460u);
}

TEST(SeccompTable, SocketsOfAnyFamilyDoNotComeInThroughThe32BitMultiplexer) {
  const SeccompVerdict verdict =
      JudgeSyscall(SeccompTier::kI386, {SeccompArch::kI386, 102, {1, 0, 0, 0, 0, 0}});
  EXPECT_STREQ(verdict.name, "socketcall");
  EXPECT_EQ(verdict.error, EPERM);
  EXPECT_EQ(JudgeSyscall(SeccompTier::kI386, {SeccompArch::kI386, 359, {38, 5}}).error,
            EAFNOSUPPORT)
      << "socket(AF_ALG) by its own number";
}

TEST(SeccompTable, ARefusalSaysWhyAndWhatToDo) {
  const SeccompVerdict mount = Judge(SeccompTier::kBuild, "mount");
  EXPECT_STREQ(mount.name, "mount");
  EXPECT_TRUE(mount.telling);
  EXPECT_NE(mount.remedy.find("tier nested"), std::string::npos) << mount.remedy;
  const SeccompVerdict ptrace = Judge(SeccompTier::kStrict, "ptrace");
  EXPECT_NE(ptrace.remedy.find("tier build"), std::string::npos) << ptrace.remedy;
  const SeccompVerdict raw = Judge(SeccompTier::kBuild, "socket", 2, 3, 1);
  ASSERT_NE(raw.rule, nullptr);
  EXPECT_TRUE(raw.telling);
  EXPECT_NE(std::string(raw.why).find("SOCK_RAW"), std::string::npos);
  EXPECT_FALSE(Judge(SeccompTier::kBuild, "io_uring_setup").telling) << "programs probe for it";
  EXPECT_EQ(Judge(SeccompTier::kBuild, "read").remedy, "");
}

TEST(SeccompTable, NoPayloadGetsAListenerOfItsOwn) {
  for (SeccompTier tier : kSeccompTiers) {
    const SeccompVerdict verdict = Judge(tier, "seccomp", 1, 8);
    EXPECT_EQ(verdict.error, EBUSY);
    EXPECT_FALSE(verdict.telling) << "must be answered inside the kernel";
    EXPECT_EQ(Answer(tier, "seccomp", 1, 0xff), EBUSY) << "among other flags";
    EXPECT_EQ(Answer(tier, "seccomp", 1, 0x17), 0) << "filters without one";
  }
}

TEST(SeccompTable, OnlyTheBuildTierHasDebuggers) {
  for (const char* name : {"ptrace", "process_vm_readv", "process_vm_writev", "kcmp"}) {
    EXPECT_EQ(Answer(SeccompTier::kStrict, name), EPERM) << name;
    EXPECT_EQ(Answer(SeccompTier::kBuild, name), 0) << name;
  }
  EXPECT_EQ(Answer(SeccompTier::kStrict, "personality", 0x40000), EPERM);
  EXPECT_EQ(Answer(SeccompTier::kBuild, "personality", 0x40000), 0);
  EXPECT_EQ(Answer(SeccompTier::kBuild, "personality", 0x440000), EPERM);
  EXPECT_EQ(Answer(SeccompTier::kBuild, "personality", 0xffffffff), 0);
}

TEST(SeccompTable, SocketsAreOfFourFamiliesAndHarmlessTypes) {
  constexpr SeccompTier kTier = SeccompTier::kStrict;
  EXPECT_EQ(Answer(kTier, "socket", 1, 1 | 02000000), 0);
  EXPECT_EQ(Answer(kTier, "socket", 2, 1, 6), 0);
  EXPECT_EQ(Answer(kTier, "socket", 10, 2, 58), 0) << "ping";
  EXPECT_EQ(Answer(kTier, "socket", 16, 3, 0), 0) << "getifaddrs uses SOCK_RAW on netlink";
  EXPECT_EQ(Answer(kTier, "socket", 16, 3, 12), EPROTONOSUPPORT) << "nf_tables";
  EXPECT_EQ(Answer(kTier, "socket", 2, 3 | 02000000, 1), EPERM) << "raw";
  EXPECT_EQ(Answer(kTier, "socket", 2, 10, 3), EPERM) << "packet by its old name";
  EXPECT_EQ(Answer(kTier, "socket", 2, 1, 132), EPROTONOSUPPORT) << "SCTP";
  for (uint64_t family : {0, 3, 9, 17, 29, 38, 40, 44, 45, 1 << 30}) {
    EXPECT_EQ(Answer(kTier, "socket", family, 1), EAFNOSUPPORT) << family;
  }
  EXPECT_EQ(Answer(kTier, "socketpair", 1, 1), 0);
  EXPECT_EQ(Answer(kTier, "socketpair", 30, 1), EAFNOSUPPORT);
}

TEST(SeccompTable, UpperHalvesOfArgumentsAreNotLookedAt) {
  constexpr uint64_t kGarbage = 0x700000000;
  EXPECT_EQ(Answer(SeccompTier::kBuild, "ioctl", 0, kGarbage | 0x5412), EPERM) << "TIOCSTI";
  EXPECT_EQ(Answer(SeccompTier::kBuild, "socket", kGarbage | 38, 5), EAFNOSUPPORT) << "AF_ALG";
  EXPECT_EQ(Answer(SeccompTier::kBuild, "clone", kGarbage | 0x10000011), EPERM) << "NEWUSER";
}

TEST(SeccompTable, DeviceNodesAreRefusedAndFifosAreNot) {
  EXPECT_EQ(Answer(SeccompTier::kBuild, "mknod", 0, 0020644), EPERM);
  EXPECT_EQ(Answer(SeccompTier::kBuild, "mknodat", 0, 0, 0060644), EPERM);
  EXPECT_EQ(Answer(SeccompTier::kBuild, "mknod", 0, 0010644), 0);
  EXPECT_EQ(Answer(SeccompTier::kBuild, "mknodat", 0, 0, 0140644), 0);
  EXPECT_EQ(Answer(SeccompTier::kBuild, "mknodat", 0, 0, 0100644), 0);
}

}  // namespace
}  // namespace glovebox

// Capabilities: each drop is taken away, one at a time, and each net below it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <atomic>
#include <memory>
#include <set>

#include "absl/strings/str_format.h"
#include "tests/kernel/ablation/ablated_rig.h"

namespace glovebox {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kNone = 0;
constexpr uint64_t kKeptByInit =
    1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_KILL | 1ull << CAP_SETPCAP;
constexpr uint64_t kCommandUid = 1000;

int LastCapability() {
  int last = 0;
  while (::prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0) ++last;
  return last;
}

std::string Hex(uint64_t bits) { return absl::StrFormat("%016x", bits); }

TEST(CapabilityAblationTest, EveryDropThatHasNoEffectEndsTheSetUpOrTheCommand) {
  std::atomic<int> capability = 0;
  AblatedRig rig({SYS_prctl}, [&](const TakenCall& call) -> std::optional<int64_t> {
    const bool chosen = call.argument(0) == PR_CAPBSET_DROP &&
                        call.argument(1) == static_cast<uint64_t>(capability.load());
    if (chosen) return 0;
    return std::nullopt;
  });
  const int last = LastCapability();
  ASSERT_GE(last, CAP_CHECKPOINT_RESTORE);
  for (; capability <= last; ++capability) {
    if ((kKeptByInit >> capability & 1) == 0) {
      const SetupReport report = rig.Report();
      EXPECT_STREQ(SetupStepName(report.step), "drop_bounding") << capability;
      EXPECT_EQ(report.error, EPERM);
      continue;
    }
    auto sandbox = rig.Ready();
    Spec spec;
    spec.argv = {"true"};
    const ExecEnd end = sandbox->Run(spec);
    EXPECT_EQ(end.cause, EndCause::kSpawnFailed) << capability;
    EXPECT_EQ(end.failed_step, ExecStep::kCapabilities) << capability;
  }
  EXPECT_EQ(rig.taken(), last + 1);
}

// As if the bounding set had been found without it: then nobody drops it, and the probe sees it.
TEST(CapabilityAblationTest, EveryCapabilityThatStaysInTheBoundingSetIsSeen) {
  std::atomic<int> capability = 0;
  AblatedRig rig({SYS_prctl}, [&](const TakenCall& call) -> std::optional<int64_t> {
    const auto number = static_cast<uint64_t>(capability.load());
    const bool kept_by_init = (kKeptByInit >> number & 1) != 0;
    if (call.argument(1) != number) return std::nullopt;
    if (call.argument(0) == PR_CAPBSET_READ) return 0;
    if (call.argument(0) == PR_CAPBSET_DROP && kept_by_init) return 0;
    return std::nullopt;
  });
  for (const int last = LastCapability(); capability <= last; ++capability) {
    auto sandbox = rig.Ready();
    EXPECT_EQ(StatusOf(sandbox.get(), "CapBnd"), Hex(1ull << capability));
    const ProbeAnswer answer = Probe(sandbox.get(), "any_capability");
    EXPECT_EQ(answer.word, "ESCAPED") << capability;
    EXPECT_EQ(StatusOf(sandbox.get(), "CapEff"), Hex(kNone)) << "of no use without another hole";
  }
}

// What keeps a command from capabilities, each of which can be taken away.
struct Nets {
  bool uid = true;       // the change of uid takes them
  bool capset = true;    // and so does init, once more
  bool no_root = true;   // an execve of uid 0 gives none
  bool bounding = true;  // nor can more be had than is in there
};

// Init's checks get what they want to see.
CallJudge Without(Nets nets) {
  constexpr uint64_t kBits = SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                             SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED |
                             SECBIT_NOROOT_LOCKED | SECBIT_NOROOT;
  const std::string nothing(24, '\0');                // three sets of 64 bits
  auto commands = std::make_shared<std::set<int>>();  // whose capset was taken
  return [=](const TakenCall& call) -> std::optional<int64_t> {
    const uint64_t first = call.argument(0);
    switch (call.number()) {
      case SYS_setresuid:
        if (nets.uid || first != kCommandUid) return std::nullopt;
        return 0;
      case SYS_getresuid:
        if (nets.uid) return std::nullopt;
        for (int i = 0; i < 3; ++i) call.Put(i, std::string("\xe8\x03\0\0", 4));
        return 0;
      case SYS_capset:
        if (nets.capset || call.Bytes(1, nothing.size()) != nothing) return std::nullopt;
        commands->insert(call.pid());
        return 0;
      case SYS_capget:
        if (commands->count(call.pid()) == 0) return std::nullopt;
        call.Put(1, nothing);
        return 0;
      case SYS_prctl:
        if (!nets.no_root && first == PR_SET_SECUREBITS) return 0;
        if (!nets.no_root && first == PR_GET_SECUREBITS) return static_cast<int64_t>(kBits);
        if (!nets.bounding && first == PR_CAPBSET_READ && call.argument(1) < 64) return 0;
        if (!nets.bounding && first == PR_CAPBSET_DROP) return 0;
        return std::nullopt;
      default:
        return std::nullopt;
    }
  };
}

const std::vector<uint32_t> kAllOfThem = {SYS_setresuid, SYS_getresuid, SYS_capset, SYS_capget,
                                          SYS_prctl};

TEST(CapabilityAblationTest, TheChangeOfUidTheSecurebitsAndTheBoundingSetEachHoldAlone) {
  for (bool Nets::*only : {&Nets::uid, &Nets::no_root, &Nets::bounding}) {
    Nets nets{false, false, false, false};
    nets.*only = true;
    AblatedRig rig(kAllOfThem, Without(nets));
    auto sandbox = rig.Ready();
    for (const char* set : {"CapEff", "CapPrm", "CapInh", "CapAmb"}) {
      EXPECT_EQ(StatusOf(sandbox.get(), set), Hex(kNone)) << set;
    }
    EXPECT_GE(rig.taken(), 3);
  }
}

TEST(CapabilityAblationTest, WithoutAnyOfThemACommandHasAll) {
  AblatedRig rig(kAllOfThem, Without({false, false, false, false}));
  auto sandbox = rig.Ready();
  EXPECT_NE(StatusOf(sandbox.get(), "CapEff"), Hex(kNone));
  EXPECT_EQ(Probe(sandbox.get(), "any_capability").word, "ESCAPED");
  EXPECT_EQ(Probe(sandbox.get(), "securebits").word, "ESCAPED");
}

// Of root_inside only init's own capset makes the difference between its set and the profile's.
TEST(CapabilityAblationTest, ACommandOfRootInsideThatKeepsMoreIsNotExecuted) {
  AblatedRig rig({SYS_capset}, [](const TakenCall& call) -> std::optional<int64_t> {
    if (call.Bytes(1, 4) != std::string("\xfb\x04\0\0", 4)) return std::nullopt;
    return 0;
  });
  auto sandbox = rig.Ready(RootInside);
  Spec spec;
  spec.argv = {"true"};
  spec.user = "root";
  const ExecEnd end = sandbox->Run(spec);
  EXPECT_EQ(end.cause, EndCause::kSpawnFailed);
  EXPECT_EQ(end.failed_step, ExecStep::kCapabilities);
}

TEST(CapabilityAblationTest, SecurebitsThatAreMissingAreSeen) {
  AblatedRig rig({SYS_prctl}, Without({true, true, false, true}));
  auto sandbox = rig.Ready();
  EXPECT_EQ(Probe(sandbox.get(), "securebits").word, "ESCAPED");
}

// The spawner sets it for itself, and init once more: either is enough.
TEST(CapabilityAblationTest, NoNewPrivilegesThatIsMissingEndsTheSetUpOrIsSeen) {
  std::atomic<int> looks = 0;
  int looks_believed = 0;
  const CallJudge judge = [&](const TakenCall& call) -> std::optional<int64_t> {
    if (call.argument(0) == PR_SET_NO_NEW_PRIVS && call.argument(1) == 1) return 0;
    if (call.argument(0) != PR_GET_NO_NEW_PRIVS) return std::nullopt;
    if (looks++ < looks_believed) return std::nullopt;
    return 1;
  };
  {
    AblatedRig rig({SYS_prctl}, judge, AblatedRig::From::kSandboxes);
    auto sandbox = rig.Ready();
    EXPECT_EQ(Probe(sandbox.get(), "no_new_privileges").word, "CONFINED") << "the spawner's";
  }
  {
    looks_believed = 100;
    AblatedRig rig({SYS_prctl}, judge, AblatedRig::From::kSpawner);
    EXPECT_STREQ(rig.Report().detail, "no_new_privs is not set");
  }
  looks_believed = 0;
  AblatedRig rig({SYS_prctl}, judge, AblatedRig::From::kSpawner);
  auto sandbox = rig.Ready();
  EXPECT_EQ(StatusOf(sandbox.get(), "NoNewPrivs"), "0");
}

}  // namespace
}  // namespace glovebox

// Each mechanism of ids, /proc and mounts is taken away, one at a time: the set-up says so and
// ends, or a probe gets through that is refused with the mechanism. What is noticed by neither
// would be a mechanism that nothing tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/prctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <memory>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "policy/proc_masks.h"
#include "tests/kernel/ablation/ablated_rig.h"

namespace glovebox {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kCommandId = 1000;
constexpr char kGroupInside[] = "2000";  // of /etc/group of the rig's image

CallJudge Skip(std::function<bool(const TakenCall&)> chosen) {
  return [chosen](const TakenCall& call) -> std::optional<int64_t> {
    if (chosen(call)) return 0;
    return std::nullopt;
  };
}

// The id map of a sandbox as the spawner writes it.
bool IsIdMap(const TakenCall& call, const char* file) {
  return absl::EndsWith(call.Path(0), file) &&
         absl::StartsWith(call.Bytes(1, 24), absl::StrCat("0 ", kHostIdFirst, " "));
}

TEST(AblationTest, WithAllMechanismsEveryProbeUsedHereIsRefused) {
  AblatedRig rig;
  auto sandbox = rig.Ready();
  for (const char* name :
       {"become_root", "any_capability", "raise_capabilities", "securebits", "no_new_privileges",
        "id_maps", "others_in_proc", "init_in_proc", "proc_masks", "unshare_user",
        "clone_user_namespace", "above_the_root", "give_files_away", "proc_sys_writes"}) {
    const ProbeAnswer answer = Probe(sandbox.get(), name);
    EXPECT_EQ(answer.word, "CONFINED") << name << answer.detail;
  }
  EXPECT_EQ(StatusOf(sandbox.get(), "Groups"), kGroupInside);
  EXPECT_EQ(StatusOf(sandbox.get(), "Gid"), "1000\t1000\t1000\t1000");
  auto as_root = rig.Ready(RootInside);
  const ProbeAnswer answer = Probe(as_root.get(), "proc_sys_writes", "root");
  EXPECT_EQ(answer.word, "CONFINED") << answer.detail;
  EXPECT_EQ(rig.taken(), 0);
}

// A call that says to have worked and has not: its result is looked at again.
TEST(AblationTest, SetUpEndsWhereAStepHasNoEffect) {
  struct Case {
    const char* step;
    const char* detail;
    uint32_t number;
    std::function<bool(const TakenCall&)> chosen;
  };
  const auto option = [](uint64_t value) {
    return [value](const TakenCall& call) { return call.argument(0) == value; };
  };
  const auto any = [](const TakenCall&) { return true; };
  const std::vector<Case> cases = {
      {"drop_capabilities", "securebits differ", SYS_prctl, option(PR_SET_SECUREBITS)},
      {"drop_capabilities", "capabilities differ after capset", SYS_capset,
       // The spawner's own, of another process, are not looked at here.
       [](const TakenCall& call) { return call.Bytes(1, 4) == std::string("\xe0\x01\0\0", 4); }},
      {"not_dumpable", "still dumpable", SYS_prctl,
       [](const TakenCall& call) {
         return call.argument(0) == PR_SET_DUMPABLE && call.argument(1) == 0;
       }},
      {"check_root", "/ is not the overlay", SYS_pivot_root, any},
      {"mount_proc", "proc/sys/user", SYS_mount,
       [](const TakenCall& call) { return call.Text(2) == "proc"; }},
  };
  for (const Case& one : cases) {
    AblatedRig rig({one.number}, Skip(one.chosen));
    const SetupReport report = rig.Report();
    EXPECT_STREQ(SetupStepName(report.step), one.step) << one.detail << ": " << report.detail;
    EXPECT_STREQ(report.detail, one.detail);
    EXPECT_GE(rig.taken(), 1) << one.detail;
  }
}

TEST(AblationTest, CommandOfTheWrongUserIsNotExecuted) {
  AblatedRig rig({SYS_setresuid},
                 Skip([](const TakenCall& call) { return call.argument(0) == kCommandId; }));
  auto sandbox = rig.Ready();
  Spec spec;
  spec.argv = {"true"};
  const ExecEnd end = sandbox->Run(spec);
  EXPECT_EQ(end.cause, EndCause::kSpawnFailed);
  EXPECT_EQ(end.failed_step, ExecStep::kUser);
}

TEST(AblationTest, UidGidAndGroupsThatAreKeptAreSeen) {
  {
    AblatedRig rig({SYS_setresuid, SYS_getresuid},
                   [](const TakenCall& call) -> std::optional<int64_t> {
                     if (call.number() == SYS_setresuid) {
                       if (call.argument(0) != kCommandId) return std::nullopt;
                       return 0;
                     }
                     for (int i = 0; i < 3; ++i) call.Put(i, std::string("\xe8\x03\0\0", 4));
                     return 0;
                   });
    auto sandbox = rig.Ready();
    EXPECT_THAT(StatusOf(sandbox.get(), "Uid"), StartsWith("0\t"));
    EXPECT_EQ(Probe(sandbox.get(), "become_root").word, "ESCAPED");
    // The id alone gives nothing: the capabilities go by themselves.
    EXPECT_EQ(Probe(sandbox.get(), "any_capability").word, "CONFINED");
  }
  {
    AblatedRig rig({SYS_setresgid},
                   Skip([](const TakenCall& call) { return call.argument(0) == kCommandId; }));
    auto sandbox = rig.Ready();
    EXPECT_THAT(StatusOf(sandbox.get(), "Gid"), StartsWith("0\t"));
    const ProbeAnswer answer = Probe(sandbox.get(), "become_root");
    EXPECT_EQ(answer.word, "ESCAPED");
    EXPECT_THAT(answer.detail, HasSubstr("setgid=GOT THROUGH"));
  }
  AblatedRig rig({SYS_setgroups}, Skip([](const TakenCall&) { return true; }));
  auto sandbox = rig.Ready();
  EXPECT_EQ(StatusOf(sandbox.get(), "Groups"), "65534") << "a group of the host";
}

// Groups go twice, when the user namespace is entered and before a command: each alone is enough.
TEST(AblationTest, OneOfTheTwoThatDropGroupsIsEnough) {
  for (const bool in_command : {false, true}) {
    auto calls = std::make_shared<int>(0);
    AblatedRig rig({SYS_setgroups},
                   Skip([=](const TakenCall&) { return (++*calls > 1) == in_command; }));
    auto sandbox = rig.Ready();
    EXPECT_EQ(StatusOf(sandbox.get(), "Groups"), in_command ? "" : kGroupInside);
    EXPECT_EQ(rig.taken(), 1);
  }
}

TEST(AblationTest, IdsOfTheHostsAccountsInAnIdMapAreSeen) {
  for (const char* file : {"uid_map", "gid_map"}) {
    for (const uint32_t host_id : {1, 1000}) {
      AblatedRig rig({SYS_write}, [=](const TakenCall& call) -> std::optional<int64_t> {
        if (!IsIdMap(call, file)) return std::nullopt;
        call.WriteTo(0, absl::StrCat("0 ", kHostIdFirst, " 1000\n1000 ", host_id, " 1\n1001 ",
                                     kHostIdFirst + 1001, " 64535\n"));
        return static_cast<int64_t>(call.argument(2));
      });
      auto sandbox = rig.Ready();
      const ProbeAnswer answer = Probe(sandbox.get(), "id_maps");
      EXPECT_EQ(answer.word, "ESCAPED") << file << " " << host_id;
      EXPECT_THAT(answer.detail, HasSubstr(absl::StrCat(file, ": ids of the host's accounts")));
    }
  }
}

// The spawner has no CAP_SETFCAP, without which the kernel (5.12) maps nobody to uid 0 above.
TEST(AblationTest, TheSpawnerCannotMapHostRoot) {
  AblatedRig rig({SYS_write}, [](const TakenCall& call) -> std::optional<int64_t> {
    if (!IsIdMap(call, "uid_map")) return std::nullopt;
    std::string map = call.Bytes(1, call.argument(2));
    const size_t size = absl::StrCat(kHostIdFirst).size();
    map.replace(2, size, "0" + std::string(size - 1, ' '));
    call.Put(1, map);
    return std::nullopt;
  });
  const SetupReport report = rig.Report();
  EXPECT_STREQ(SetupStepName(report.step), "write_id_maps");
  EXPECT_EQ(report.error, EPERM);
}

// Whoever comes first writes it, with any ids; so it is not left to the payload.
TEST(AblationTest, ProjectIdMapThatIsLeftToTheCommandIsSeen) {
  AblatedRig rig({SYS_write}, [](const TakenCall& call) -> std::optional<int64_t> {
    if (!IsIdMap(call, "projid_map")) return std::nullopt;
    return static_cast<int64_t>(call.argument(2));
  });
  auto sandbox = rig.Ready();
  const ProbeAnswer answer = Probe(sandbox.get(), "id_maps");
  EXPECT_EQ(answer.word, "ESCAPED");
  EXPECT_THAT(answer.detail, HasSubstr("/proc/self/projid_map=GOT THROUGH"));
}

TEST(AblationTest, WithoutHidepidInitAndOtherUsersAreSeen) {
  const std::string option = "hidepid=ptraceable";
  AblatedRig rig({SYS_mount}, [option](const TakenCall& call) -> std::optional<int64_t> {
    if (call.Text(2) == "proc" && call.Text(4) == option) {
      std::string off = "hidepid=off";
      off.resize(option.size(), '\0');
      call.Put(4, off);
    }
    return std::nullopt;
  });
  auto sandbox = rig.Ready();
  EXPECT_EQ(Probe(sandbox.get(), "init_in_proc").word, "ESCAPED");
  EXPECT_EQ(Probe(sandbox.get(), "others_in_proc").word, "ESCAPED");
  // Seen is not read: it is of another id, and not dumpable.
  EXPECT_EQ(Probe(sandbox.get(), "write_init_program").word, "CONFINED");
}

TEST(AblationTest, EveryMaskThatIsMissingIsSeen) {
  AblatedRig rig;
  int tried = 0;
  for (const ProcMask& mask : ProcMasks()) {
    struct stat status {};
    if (mask.kind != ProcMask::Kind::kHide || ::stat(mask.path, &status) != 0) continue;
    // Without entries there is nothing to hide, and nothing to tell a mask by.
    if (S_ISDIR(status.st_mode) && status.st_nlink <= 2) continue;
    ++tried;
    auto sandbox = rig.Ready(MasksWithout(mask.path));
    const ProbeAnswer answer = Probe(sandbox.get(), "proc_masks");
    EXPECT_EQ(answer.word, "ESCAPED") << mask.path;
    EXPECT_THAT(answer.detail, HasSubstr(absl::StrCat(mask.path, "=GOT THROUGH")));
  }
  EXPECT_GE(tried, 15) << "this kernel has few of them";
}

TEST(AblationTest, KernelKnobsWithoutTheirMaskAreWritableByRootInside) {
  AblatedRig rig;
  auto sandbox = rig.Ready([](PlanBuilder* builder) {
    RootInside(builder);
    MasksWithout("/proc/sys")(builder);
  });
  EXPECT_EQ(Probe(sandbox.get(), "proc_sys_writes", "root").word, "ESCAPED");
  EXPECT_EQ(Probe(sandbox.get(), "proc_sys_writes").word, "CONFINED") << "the modes hold alone";
}

TEST(AblationTest, SetUpEndsWhereAMaskIsPlannedAndNotThere) {
  std::set<std::string> refused;
  for (const ProcMask& mask : ProcMasks()) {
    struct stat status {};
    if (::stat(mask.path, &status) != 0) continue;
    const std::string place = mask.path;
    AblatedRig rig({SYS_move_mount}, Skip([place](const TakenCall& call) {
                     return absl::EndsWith(call.Path(2), place);
                   }));
    const SetupReport report = rig.Report();
    EXPECT_STREQ(SetupStepName(report.step), "check_root") << place << ": " << report.detail;
    EXPECT_EQ(report.detail, place);
    refused.insert(place);
  }
  EXPECT_GE(refused.size(), 15u);
}

TEST(AblationTest, WithoutTheLimitOfNamespacesOneIsMade) {
  AblatedRig rig({SYS_write}, [](const TakenCall& call) -> std::optional<int64_t> {
    if (!absl::EndsWith(call.Path(0), "/max_user_namespaces")) return std::nullopt;
    return static_cast<int64_t>(call.argument(2));
  });
  auto sandbox = rig.Ready();
  EXPECT_EQ(Probe(sandbox.get(), "unshare_user").word, "ESCAPED");
  EXPECT_EQ(Probe(sandbox.get(), "clone_user_namespace").word, "ESCAPED");
}

TEST(AblationTest, AnOldRootThatStaysAttachedIsSeen) {
  AblatedRig rig({SYS_umount2}, Skip([](const TakenCall& call) { return call.Text(0) == "."; }));
  auto sandbox = rig.Ready();
  EXPECT_EQ(Probe(sandbox.get(), "above_the_root").word, "ESCAPED");
}

}  // namespace
}  // namespace glovebox

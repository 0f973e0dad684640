// Every attack of probes/ in a sandbox as it is made in production, in one without the system call
// filters, in one without Landlock, as root inside, and outside: what must hold holds, what is held
// by one layer alone falls with it, and no probe is one that cannot fail. Attacks: Escape,
// HostRead, CrossSandbox.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "linux/kernel_probes.h"
#include "policy/landlock.h"
#include "tests/escape/host_bait.h"
#include "tests/escape/probe_run.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

using ::testing::HasSubstr;

class ProbeTest : public ::testing::Test {
 protected:
  using Verdicts = std::map<std::string, ProbeVerdict>;

  Verdicts RunIn(SandboxWorld::Without without, const CreateOptions& options,
                 const std::string& user) {
    auto world = SandboxWorld::Make(without);
    EXPECT_TRUE(world.ok()) << world.status();
    if (!world.ok()) return {};
    auto info = (*world)->manager().Create(options);
    EXPECT_TRUE(info.ok()) << info.status();
    if (!info.ok()) return {};
    const std::shared_ptr<Sandbox> sandbox = *(*world)->manager().Find(info->id);
    const absl::Status copied = CopyProbeInto(*sandbox);
    EXPECT_TRUE(copied.ok()) << copied;
    std::vector<std::string> arguments = bait_.Arguments();
    arguments.push_back(absl::StrCat("mount_path=", (*world)->directory()));
    auto verdicts = RunProbesIn(*sandbox, arguments, user);
    EXPECT_TRUE(verdicts.ok()) << verdicts.status();
    // Whatever they did to it, it serves on.
    auto after = glovebox::RunIn(*sandbox, Shell("echo alive"));
    EXPECT_TRUE(after.ok() && after->out == "alive\n");
    return verdicts.ok() ? *std::move(verdicts) : Verdicts{};
  }

  // As the table of the probes says for `place`.
  void Compare(const Verdicts& verdicts, ProbePlace place) {
    for (const auto& [name, expected] : probes_) {
      const auto found = verdicts.find(name);
      ASSERT_NE(found, verdicts.end()) << name << " said nothing";
      const std::string word = ExpectedWord(expected, place);
      if (word.empty()) continue;
      EXPECT_EQ(found->second.word, word) << name << ": " << found->second.detail;
    }
  }

  HostBait bait_;
  std::map<std::string, std::string> probes_ = ListProbes();
};

TEST_F(ProbeTest, EveryProbeIsConfined) {
  ASSERT_GE(probes_.size(), 81u);
  for (const auto& [name, expected] : probes_) {
    EXPECT_EQ(expected.size(), 5u) << name;
    EXPECT_EQ(expected.substr(0, 1), "C") << name;
  }
  Compare(RunIn({}, {}, ""), ProbePlace::kSandbox);
}

TEST_F(ProbeTest, WithoutTheFiltersTheOtherLayersHold) {
  SandboxWorld::Without without;
  without.filters = true;
  if (LandlockAbi() < kLandlockAbiDeviceIoctls) probes_.erase("device_ioctls");
  Compare(RunIn(without, {}, ""), ProbePlace::kNoFilters);
}

TEST_F(ProbeTest, WithoutLandlockTheOtherLayersHold) {
  SKIP_BEFORE_LINUX(6, 12, LandlockAbi() >= kLandlockAbiFull, "Landlock ABI 6");
  SandboxWorld::Without without;
  without.landlock = true;
  Compare(RunIn(without, {}, ""), ProbePlace::kNoLandlock);
}

TEST_F(ProbeTest, RootInsideReachesNothingOfTheHost) {
  CreateOptions options;
  options.root_inside = true;
  Compare(RunIn({}, options, "root"), ProbePlace::kRootInside);
}

TEST_F(ProbeTest, EveryProbeOfThemCanFail) {
  std::vector<std::string> arguments = bait_.Arguments();
  arguments.push_back("mount_path=/proc");
  int tried = 0;
  for (const auto& [name, expected] : probes_) {
    if (ExpectedWord(expected, ProbePlace::kHost).empty()) continue;
    ++tried;
    const ProbeVerdict verdict = RunProbeOutside(name, arguments);
    EXPECT_EQ(verdict.word, "ESCAPED") << name << ": " << verdict.detail;
  }
  EXPECT_GE(tried, 50);
}

// What neither a host nor a missing layer shows to fail must be few, and each is named here with
// its own control elsewhere.
TEST_F(ProbeTest, ProbesThatNothingShowsToFailAreFew) {
  std::vector<std::string> unproved;
  for (const auto& [name, expected] : probes_) {
    if (expected.find('E') == std::string::npos) unproved.push_back(name);
  }
  EXPECT_LE(unproved.size(), 17u) << ::testing::PrintToString(unproved);
}

}  // namespace
}  // namespace glovebox

// Who goes when the whole host runs out of memory: sandboxes first, the daemon last, and nobody in
// a sandbox changes that. Means most where root has CAP_SYS_RESOURCE (tests/vm).
#include <fcntl.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "linux/file_io.h"
#include "linux/oom_score.h"
#include "tests/support/sandbox_world.h"

namespace glovebox {
namespace {

std::string ScoreOf(absl::string_view pid) {
  auto text = ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", pid, "/oom_score_adj"), 64);
  return text.ok() ? *text : text.status().ToString();
}

// This process stands for the daemon, and is as killable as before afterwards.
class OomTest : public ::testing::Test {
 protected:
  void SetUp() override { (void)ProtectFromOomKiller(); }  // where the host lets it
  void TearDown() override {
    auto fd = OpenAt(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY, 0);
    ASSERT_TRUE(fd.ok()) << fd.status();
    EXPECT_TRUE(WriteAll(fd->get(), "0").ok());
  }
};

TEST_F(OomTest, ASandboxInheritsNoProtectionAndCannotTakeItBack) {
  SandboxWorld::Without without;
  without.landlock = true;  // it refuses the write before the kernel's own rule is asked
  auto world = SandboxWorld::Make(without);
  ASSERT_TRUE(world.ok()) << world.status();
  auto info = (*world)->manager().Create({});
  ASSERT_TRUE(info.ok()) << info.status();
  const std::shared_ptr<Sandbox> sandbox = *(*world)->manager().Find(info->id);
  EXPECT_EQ(ScoreOf(absl::StrCat(sandbox->init_host_pid())), "500\n");
  auto outcome = RunIn(*sandbox, Shell("cd /proc/self && cat oom_score_adj\n"
                                       "(echo 501 >oom_score_adj) && cat oom_score_adj\n"
                                       "(echo -1 >oom_score_adj) 2>/dev/null; cat oom_score_adj"));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->out, "500\n501\n501\n");
}

}  // namespace
}  // namespace glovebox

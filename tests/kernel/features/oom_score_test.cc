// Protection from the OOM killer as far as this host grants it: with CAP_SYS_RESOURCE (tests/vm)
// all of it, without it none, and said so.
#include "linux/oom_score.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

std::string OwnScore() {
  auto text = ReadFileAt(AT_FDCWD, "/proc/self/oom_score_adj", 64);
  return text.ok() ? *text : text.status().ToString();
}

bool MayLowerIt() {
  auto status = ReadFileAt(AT_FDCWD, "/proc/self/status", 65536);
  const size_t at = status->find("CapEff:\t");
  const uint64_t effective = std::stoull(status->substr(at + 8), nullptr, 16);
  return (effective >> CAP_SYS_RESOURCE & 1) != 0;
}

// In a child: what is lowered without the capability cannot be put back by it alone.
TEST(OomScore, IsLoweredWhereTheHostGrantsItAndSaidWhereItDoesNot) {
  const std::string before = OwnScore();
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const KernelFeature feature = ProtectFromOomKiller();
    const bool may = MayLowerIt();
    const bool right = may ? feature.state == FeatureState::kOk && OwnScore() == "-900\n"
                           : feature.state == FeatureState::kDegraded && OwnScore() == before;
    const bool told = feature.remedy.empty() == may;
    _exit(right && told ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(OwnScore(), before);
}

}  // namespace
}  // namespace glovebox

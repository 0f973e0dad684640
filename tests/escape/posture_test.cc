// The whole security state of a command, compared with what it has to be: a capability kept, a
// descriptor leaked or a mount too many fails here although nobody foresaw it. Attacks: Escape,
// HostRead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/sandbox_world.h"

namespace glovebox {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

class PostureTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto world = SandboxWorld::Make();
    ASSERT_TRUE(world.ok()) << world.status();
    world_ = world->release();
    auto info = world_->manager().Create({});
    ASSERT_TRUE(info.ok()) << info.status();
    sandbox_ = new std::shared_ptr<Sandbox>(*world_->manager().Find(info->id));
  }
  static void TearDownTestSuite() {
    delete sandbox_;
    delete world_;
  }
  static std::string Output(const std::string& script) {
    auto outcome = RunIn(**sandbox_, Shell(script));
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? outcome->out + outcome->err : "";
  }
  static std::map<std::string, std::string> StatusOf(const std::string& text) {
    std::map<std::string, std::string> fields;
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(line, absl::MaxSplits(':', 1));
      fields[pair.first] = std::string(absl::StripAsciiWhitespace(pair.second));
    }
    return fields;
  }

  static SandboxWorld* world_;
  static std::shared_ptr<Sandbox>* sandbox_;
};
SandboxWorld* PostureTest::world_ = nullptr;
std::shared_ptr<Sandbox>* PostureTest::sandbox_ = nullptr;

TEST_F(PostureTest, ACommandHasNoPrivilegeAtAll) {
  auto status = StatusOf(Output("cat /proc/self/status"));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(status[set], "0000000000000000") << set;
  }
  EXPECT_EQ(status["NoNewPrivs"], "1");
  EXPECT_EQ(status["Seccomp"], "2");
  EXPECT_EQ(status["Seccomp_filters"], "2");
  EXPECT_EQ(status["Uid"], "1000\t1000\t1000\t1000");
  EXPECT_EQ(status["Gid"], "1000\t1000\t1000\t1000");
  EXPECT_EQ(status["Groups"], "");
  EXPECT_EQ(status["SigBlk"], "0000000000000000");
  EXPECT_EQ(status["SigIgn"], "0000000000000000");
}

TEST_F(PostureTest, EveryNamespaceIsItsOwn) {
  const std::string inside = Output("cd /proc/self/ns && stat -L -c '%n %i' *");
  std::set<std::string> different;
  for (absl::string_view line : absl::StrSplit(inside, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    ASSERT_EQ(parts.size(), 2u) << line;
    struct stat host {};
    ASSERT_EQ(::stat(absl::StrCat("/proc/self/ns/", parts[0]).c_str(), &host), 0);
    uint64_t inode = 0;
    ASSERT_TRUE(absl::SimpleAtoi(parts[1], &inode));
    if (inode != host.st_ino) different.insert(parts[0]);
  }
  EXPECT_THAT(different, IsSupersetOf({"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}));
}

TEST_F(PostureTest, OnlyTheThreeStandardDescriptorsAreOpen) {
  // ls itself opens the directory as 3.
  EXPECT_EQ(Output("ls /proc/self/fd"), "0\n1\n2\n3\n");
  EXPECT_EQ(Output("readlink /proc/self/fd/0"), "/dev/null\n");
}

TEST_F(PostureTest, MountsShowNoHostPathAndNothingSharedIsWritable) {
  const std::string mounts = Output("cat /proc/self/mountinfo");
  EXPECT_THAT(mounts, Not(HasSubstr(world_->directory())));
  std::set<std::string> writable;
  for (absl::string_view line : absl::StrSplit(mounts, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    ASSERT_GT(fields.size(), 6u) << line;
    if (fields[4] != "/dev" && fields[4] != "/dev/pts") {
      EXPECT_THAT(fields[5], HasSubstr("nosuid")) << line;
    }
    if (absl::StrContains(fields[5], "rw")) writable.insert(fields[4]);
    EXPECT_THAT(std::string(line), AllOf(Not(HasSubstr("sysfs")), Not(HasSubstr("cgroup2"))));
  }
  EXPECT_EQ(writable, (std::set<std::string>{"/", "/proc", "/dev/pts", "/dev/shm", "/tmp"}));
}

TEST_F(PostureTest, DevicesAreTheHarmlessSix) {
  const std::string nodes = Output("cd /dev && find . -type c -o -type b | sort | tr '\\n' ' '");
  EXPECT_EQ(nodes, "./full ./null ./pts/ptmx ./random ./tty ./urandom ./zero ");
}

TEST_F(PostureTest, OnlyLoopbackExists) {
  EXPECT_THAT(Output("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '"), "lo\n");
  EXPECT_EQ(Output("cat /proc/net/route | wc -l"), "1\n");
}

TEST_F(PostureTest, InitIsOutOfReach) {
  // hidepid hides it altogether; the controls: the command sees itself.
  EXPECT_THAT(Output("ls /proc/1 2>&1"), HasSubstr("No such file"));
  EXPECT_THAT(Output("kill -9 1 2>&1; echo alive"), HasSubstr("alive"));
  EXPECT_THAT(Output("head -n 1 /proc/self/status"), HasSubstr("head"));
}

TEST_F(PostureTest, TheEnvironmentIsOursAlone) {
  ASSERT_EQ(::setenv("GLOVEBOX_TEST_SECRET", "do not leak", 1), 0);
  const std::string environment = Output("env | sort");
  EXPECT_THAT(environment, Not(HasSubstr("SECRET")));
  EXPECT_THAT(environment, HasSubstr("HOME=/home/agent"));
}

TEST_F(PostureTest, TheOomKillerOfTheHostTakesSandboxesFirst) {
  EXPECT_EQ(Output("cat /proc/self/oom_score_adj"), "500\n");
  EXPECT_EQ(
      Output("(echo -500 >/proc/self/oom_score_adj) 2>/dev/null; cat /proc/self/oom_score_adj"),
      "500\n");
}

TEST_F(PostureTest, KernelKnobsAreReadOnlyOrHidden) {
  EXPECT_THAT(Output("echo 1 > /proc/sys/kernel/core_uses_pid; echo status $?"),
              Not(HasSubstr("status 0")));
  EXPECT_EQ(Output("cat /proc/kallsyms | wc -c"), "0\n");
  EXPECT_EQ(Output("cat /proc/cmdline | wc -c"), "0\n");
  EXPECT_EQ(Output("cat /proc/sys/user/max_user_namespaces"), "0\n");
  EXPECT_THAT(Output("unshare -U true; echo status $?"), Not(HasSubstr("status 0")));
}

}  // namespace
}  // namespace glovebox

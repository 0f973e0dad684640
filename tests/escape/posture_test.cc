// The whole security state of a command, compared with what it has to be: a capability kept, a
// descriptor leaked or a mount too many fails here although nobody foresaw it. Attacks: Escape,
// HostRead.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/keyctl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/unique_fd.h"
#include "tests/support/must_run.h"
#include "tests/support/suite_world.h"

namespace glovebox {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

class PostureTest : public SuiteWorld<PostureTest> {
 protected:
  static void SetUpTestSuite() {
    SuiteWorld::SetUpTestSuite();
    ASSERT_NE(world_, nullptr);
    sandbox_ = new std::shared_ptr<Sandbox>(Create());
    ASSERT_NE(*sandbox_, nullptr);
  }
  static void TearDownTestSuite() {
    delete sandbox_;
    SuiteWorld::TearDownTestSuite();
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
  static std::shared_ptr<Sandbox>* sandbox_;
};
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
    EXPECT_THAT(fields[5], HasSubstr("nosuid")) << line;
    // Where a node is shown: /dev, the terminals, and the files under which /dev/null hides.
    if (fields[3] != "/dev" && fields[3] != "/dev/null" && fields[4] != "/dev/pts") {
      EXPECT_THAT(fields[5], HasSubstr("nodev")) << line;
    }
    if (absl::StrContains(fields[5], "rw")) writable.insert(fields[4]);
    EXPECT_THAT(std::string(line), AllOf(Not(HasSubstr("sysfs")), Not(HasSubstr("cgroup2"))));
  }
  EXPECT_EQ(writable, (std::set<std::string>{"/", "/proc", "/dev/pts", "/dev/shm", "/tmp"}));
}

// Locks and inotify watches are of an inode: one that two can open tells each what the other does.
TEST_F(PostureTest, NoFileIsTheHostsOrAnotherSandboxes) {
  const UniqueFd held(::open("/usr/bin/env", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  const UniqueFd control(::open("/usr/bin/env", O_RDONLY | O_CLOEXEC));
  EXPECT_NE(::flock(control.get(), LOCK_EX | LOCK_NB), 0) << "the host's file is locked";
  EXPECT_EQ(Output("flock -n /usr/bin/env echo free"), "free\n");
  auto info = world_->manager().Create({});
  ASSERT_TRUE(info.ok()) << info.status();
  const std::shared_ptr<Sandbox> other = *world_->manager().Find(info->id);
  const std::string script =
      "stat -c '%n %d' / /usr /usr/bin/env /etc/passwd /dev /dev/null /dev/pts /dev/shm /proc "
      "/proc/keys /proc/sys /proc/bus /tmp";
  const std::vector<std::string> mine = absl::StrSplit(Output(script), '\n', absl::SkipEmpty());
  auto outcome = RunIn(*other, Shell(script));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const std::vector<std::string> theirs = absl::StrSplit(outcome->out, '\n', absl::SkipEmpty());
  ASSERT_EQ(mine.size(), 13u);
  ASSERT_EQ(theirs.size(), mine.size());
  for (size_t i = 0; i < mine.size(); ++i) EXPECT_NE(mine[i], theirs[i]);
}

// Payloads cannot ask for their keyrings; without the filters they can, and find a session keyring
// that neither the daemon's process nor another sandbox has.
TEST_F(PostureTest, TheSessionKeyringIsTheSandboxesOwn) {
  constexpr int kSession = -3;  // KEY_SPEC_SESSION_KEYRING
  const long joined = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  SKIP_UNLESS(joined >= 0 || errno != ENOSYS, "a kernel with keys");
  const std::string of_host =
      absl::StrCat(::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, kSession, 0));
  SandboxWorld::Without without;
  without.filters = true;
  auto world = SandboxWorld::Make(without);  // its spawner inherits the test's keyring
  ASSERT_TRUE(world.ok()) << world.status();
  std::set<std::string> serials = {of_host};
  for (int i = 0; i < 2; ++i) {
    auto info = (*world)->manager().Create({});
    ASSERT_TRUE(info.ok()) << info.status();
    const std::shared_ptr<Sandbox> sandbox = *(*world)->manager().Find(info->id);
    auto outcome = RunIn(*sandbox, Shell("perl -e 'print syscall(250, 0, -3, 0)'"));
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    long serial = -1;
    ASSERT_TRUE(absl::SimpleAtoi(outcome->out, &serial)) << outcome->out << outcome->err;
    EXPECT_GT(serial, 0);
    serials.insert(outcome->out);
  }
  EXPECT_EQ(serials.size(), 3u) << "of the host and of two sandboxes";
}

TEST_F(PostureTest, DevicesAreTheHarmlessSix) {
  const std::string nodes = Output("cd /dev && find . -type c -o -type b | sort | tr '\\n' ' '");
  EXPECT_EQ(nodes, "./full ./null ./pts/ptmx ./random ./tty ./urandom ./zero ");
}

TEST_F(PostureTest, OnlyLoopbackExists) {
  EXPECT_THAT(Output("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '"), "lo\n");
  EXPECT_EQ(Output("cat /proc/net/route | wc -l"), "1\n");
  EXPECT_EQ(Output("awk '$NF != \"lo\"' /proc/net/ipv6_route"), "") << "routes of IPv6";
  EXPECT_EQ(Output("tail -n +2 /proc/net/arp"), "") << "neighbours";
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

// The process that gives sandboxes' ports to their way out: what it does for the daemon, and what
// not.
#include "daemon/lookup_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/process.h"
#include "tests/kernel/egress/gate_world.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr uint16_t kNames = 53;
constexpr uint16_t kOthers = 1053;
constexpr uint16_t kPort = 4443;

struct TwoListeners {
  NetworkSpace space;
  UniqueFd names, others;
  TwoListeners() {
    space.MakeAllAddressesLocal();
    names = space.Listen(kNames);
    others = space.Listen(kOthers);
  }
  bool HasEveryPort() const { return space.Connect("93.184.216.34", kPort).valid(); }
};

TEST(LookupProcessTest, OfWhatItIsAskedItDoesThatAlone) {
  auto process = LookupProcess::Start();
  SKIP_UNLESS(process.ok(), process.status().ToString());
  const TwoListeners one, two;
  const UniqueFd hosts(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto why = [&](const UniqueFd& names, const UniqueFd& others) {
    return std::string((*process)->GiveEveryPort(names.get(), others.get()).status().message());
  };
  EXPECT_NE(why(hosts, hosts).find("not a sandbox's"), std::string::npos) << why(hosts, hosts);
  EXPECT_NE(why(one.names, two.others).find("different"), std::string::npos);
  EXPECT_NE(why(one.names, file).find("SIOCGSKNS"), std::string::npos) << why(one.names, file);
  for (const TwoListeners* sandbox : {&one, &two}) {
    EXPECT_FALSE(sandbox->HasEveryPort());
    auto link = (*process)->GiveEveryPort(sandbox->names.get(), sandbox->others.get());
    ASSERT_TRUE(link.ok()) << link.status();
    EXPECT_TRUE(sandbox->HasEveryPort());
    link->Reset();
    EXPECT_NE(why(hosts, hosts), "") << "it has let go of what it gave before";
    EXPECT_FALSE(sandbox->HasEveryPort());
  }
}

TEST(LookupProcessTest, WhatItGaveOutlivesIt) {
  auto process = LookupProcess::Start();
  SKIP_UNLESS(process.ok(), process.status().ToString());
  const TwoListeners sandbox;
  auto link = (*process)->GiveEveryPort(sandbox.names.get(), sandbox.others.get());
  ASSERT_TRUE(link.ok()) << link.status();
  process->reset();
  EXPECT_TRUE(sandbox.HasEveryPort());
}

constexpr char kServes[] = "glovebox-lookup";
constexpr char kReserve[] = "lookup-reserve";

// For what gives no event.
bool Within20s(const std::function<bool()>& holds) {
  for (int look = 0; look < 2'000; ++look) {
    if (holds()) return true;
    (void)::poll(nullptr, 0, 10);
  }
  return false;
}

// This process's children, by name; one that ended and was not reaped is among them.
std::multiset<std::string> Children(UniqueFd* pidfd = nullptr, const std::string& wanted = "") {
  std::multiset<std::string> found;
  DIR* const tasks = ::opendir("/proc/self/task");
  while (const dirent* const task = ::readdir(tasks)) {
    std::ifstream children(absl::StrCat("/proc/self/task/", task->d_name, "/children"));
    for (pid_t pid = 0; children >> pid;) {
      std::ifstream file(absl::StrCat("/proc/", pid, "/comm"));
      std::string name;
      std::getline(file, name);
      if (pidfd != nullptr && name == wanted) {
        pidfd->Reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      }
      found.insert(name);
    }
  }
  ::closedir(tasks);
  return found;
}

std::set<std::string> Descriptors() {
  std::set<std::string> found;
  DIR* const directory = ::opendir("/proc/self/fd");
  while (const dirent* const entry = ::readdir(directory)) found.insert(entry->d_name);
  ::closedir(directory);
  return found;
}

void Signal(const std::string& name, int signal) {
  UniqueFd pidfd;
  ASSERT_TRUE(Within20s([&] { return Children(&pidfd, name).contains(name); })) << name;
  ASSERT_TRUE(SignalPidFd(pidfd.get(), signal).ok());
  if (signal != SIGKILL) return;
  const auto is_reaped = [&] {
    siginfo_t info{};
    constexpr int kLook = WEXITED | WNOHANG | WNOWAIT;
    return ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, kLook) != 0 && errno == ECHILD;
  };
  ASSERT_TRUE(Within20s(is_reaped)) << "nobody has seen its end";
}

class WatchedLookupTest : public testing::Test {
 protected:
  void SetUp() override {
    auto process = LookupProcess::Start();
    SKIP_UNLESS(process.ok(), process.status().ToString());
    process_ = *std::move(process);
    process_->Watch(&log_);
  }
  absl::StatusOr<UniqueFd> Give(const TwoListeners& sandbox) const {
    return process_->GiveEveryPort(sandbox.names.get(), sandbox.others.get());
  }
  bool GivesAgain(const TwoListeners& sandbox) const {
    return Within20s([&] {
      auto link = Give(sandbox);
      if (link.ok()) return sandbox.HasEveryPort();
      EXPECT_TRUE(IsGone(link.status())) << link.status();
      return false;
    });
  }
  static bool IsGone(const absl::Status& status) {
    const auto detail = GetErrorDetail(status);
    return absl::IsUnavailable(status) && detail.has_value() && detail->reason == "LOOKUP_GONE";
  }
  static bool AreTwo() {
    return Within20s([] { return Children() == std::multiset<std::string>{kServes, kReserve}; });
  }

  const Log log_{LogFormat::kText, LogLevel::kInfo};
  std::unique_ptr<LookupProcess> process_;
};

TEST_F(WatchedLookupTest, WhicheverDiesTheOtherMakesItAgainAndNothingIsLeft) {
  const TwoListeners before;
  const auto link = Give(before);
  ASSERT_TRUE(link.ok()) << link.status();
  const TwoListeners after;
  ASSERT_TRUE(AreTwo());
  const std::set<std::string> descriptors = Descriptors();
  for (const char* name : {kServes, kReserve, kServes, kReserve, kReserve, kServes}) {
    Signal(name, SIGKILL);
    ASSERT_TRUE(GivesAgain(after)) << name;
    ASSERT_TRUE(AreTwo()) << name;
    EXPECT_FALSE(after.HasEveryPort()) << "nobody keeps what was given and closed";
  }
  EXPECT_TRUE(before.HasEveryPort());
  EXPECT_TRUE(Within20s([&] { return Descriptors() == descriptors; }));
  process_.reset();
  EXPECT_EQ(Children().size(), 0u);
}

TEST_F(WatchedLookupTest, WhileThereIsNoneItIsSaidAndNobodyWaits) {
  const TwoListeners sandbox;
  Signal(kReserve, SIGSTOP);  // so it makes none
  Signal(kServes, SIGKILL);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(IsGone(Give(sandbox).status()));
  EXPECT_FALSE(sandbox.HasEveryPort());
  Signal(kReserve, SIGCONT);
  EXPECT_TRUE(GivesAgain(sandbox));
}

TEST_F(WatchedLookupTest, WithoutBothTheErrorSaysToRestartTheDaemon) {
  const TwoListeners sandbox;
  Signal(kReserve, SIGSTOP);
  Signal(kServes, SIGKILL);
  Signal(kReserve, SIGKILL);
  const auto says_so = [&] {
    const absl::Status status = Give(sandbox).status();
    EXPECT_TRUE(IsGone(status)) << status;
    return status.message().find("restart gloveboxd") != std::string::npos;
  };
  EXPECT_TRUE(Within20s(says_so));
  EXPECT_TRUE(Within20s([] { return Children().empty(); }));
}

TEST_F(WatchedLookupTest, ADaemonThatStopsMakesNone) {
  const TwoListeners sandbox;
  Signal(kReserve, SIGSTOP);
  Signal(kServes, SIGKILL);
  EXPECT_TRUE(IsGone(Give(sandbox).status()));
  process_->EndWatch();  // whether it waits for the delay or for the one in reserve
  Signal(kReserve, SIGCONT);
  EXPECT_TRUE(IsGone(Give(sandbox).status()));
  process_.reset();
  EXPECT_TRUE(Within20s([] { return !Children().contains(kServes); }));
}

}  // namespace
}  // namespace glovebox

// What a daemon keeps when one of its two spawners dies.
#include "launcher/spawner_pair.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "linux/process.h"
#include "spawner/embedded/embedded_binaries.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr const char* kActive = "glovebox-spawn";
constexpr const char* kReserve = "spawner-reserve";

// Children of this process by the name that the kernel shows; those that have ended have none.
std::vector<pid_t> ChildrenNamed(const std::string& name) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto stat = ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", pid, "/stat"), 4096);
    if (!stat.ok()) continue;  // it has ended meanwhile
    const size_t close = stat->rfind(") ");
    const std::vector<std::string> fields = absl::StrSplit(stat->substr(close + 2), ' ');
    const size_t open = stat->find('(') + 1;
    if (fields[0] != "Z" && fields[1] == absl::StrCat(::getpid()) &&
        stat->substr(open, close - open) == name) {
      found.push_back(static_cast<pid_t>(std::stol(pid)));
    }
  }
  return found;
}

// Until the thread waits in poll(2) with a timeout, which it does for an answer and nowhere else.
// The kernel has no event for that.
bool AwaitLongPoll(const std::atomic<long>* thread) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (std::chrono::steady_clock::now() < end) {
    const auto call =
        ReadFileAt(AT_FDCWD, absl::StrCat("/proc/self/task/", thread->load(), "/syscall"), 512);
    if (call.ok()) {
      const std::vector<std::string> words = absl::StrSplit(*call, ' ');  // number, arguments
      if (words[0] == absl::StrCat(SYS_poll) && words[3] != "0x0") return true;
    }
    std::this_thread::yield();
  }
  return false;
}

class SpawnerPairTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_UNLESS(::geteuid() == 0, "root");
    auto pair = SpawnerPair::Start(
        EmbeddedSpawner(), EmbeddedInit(),
        [this](absl::string_view what) { told_.emplace_back(what.data(), what.size()); });
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
  }

  void TearDown() override {
    pair_.reset();
    errno = 0;
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD) << "a spawner or a zombie is left";
  }

  // Its only child of that name.
  static UniqueFd Find(const char* name) {
    const std::vector<pid_t> found = ChildrenNamed(name);
    if (found.size() != 1) throw std::runtime_error(absl::StrCat(found.size(), " named ", name));
    const long pidfd = ::syscall(SYS_pidfd_open, found[0], 0);
    if (pidfd < 0) throw std::runtime_error("pidfd_open");
    return UniqueFd(static_cast<int>(pidfd));
  }

  static void Kill(const UniqueFd& pidfd) {
    ASSERT_TRUE(SignalPidFd(pidfd.get(), SIGKILL).ok());
    ASSERT_TRUE(WaitPidFd(pidfd.get(), kPatienceMs).ok());
  }

  // A request that a living spawner answers with a refusal: host id 0 is never mapped.
  absl::StatusOr<std::pair<SpawnReply, UniqueFd>> Ask() {
    const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return pair_->Ask(SpawnRequest{}, std::vector<int>(4, null.get()));
  }

  void ExpectAnswer() {
    const auto answer = Ask();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->first.error, EINVAL);
    EXPECT_EQ(std::string(answer->first.detail), "host id 0 is never mapped");
  }

  void ExpectGone(const absl::Status& status, const char* text) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    const auto detail = GetErrorDetail(status);
    ASSERT_TRUE(detail.has_value());
    EXPECT_EQ(detail->reason, "SPAWNER_GONE");
    EXPECT_NE(std::string(status.message()).find(text), std::string::npos) << status;
  }

  std::unique_ptr<SpawnerPair> pair_;
  std::vector<std::string> told_;
};

TEST_F(SpawnerPairTest, ADeadSpawnerIsReplacedBeforeTheNextRequest) {
  for (size_t i = 1; i <= 3; ++i) {
    Kill(Find(kActive));
    ExpectAnswer();
    ASSERT_EQ(told_.size(), i);
    EXPECT_EQ(told_.back(), "glovebox-spawner had ended; another one makes sandboxes now");
  }
  ExpectAnswer();
  EXPECT_EQ(told_.size(), 3U) << "nothing to replace";
}

TEST_F(SpawnerPairTest, TheReserveIsReplacedToo) {
  for (int i = 0; i < 3; ++i) {
    Kill(Find(kReserve));
    ExpectAnswer();
    Kill(Find(kActive));
    ExpectAnswer();
  }
  EXPECT_EQ(told_.size(), 6U);
}

TEST_F(SpawnerPairTest, ARequestInFlightFailsAndTheNextIsAnswered) {
  const UniqueFd spawner = Find(kActive);
  ASSERT_TRUE(SignalPidFd(spawner.get(), SIGSTOP).ok());
  std::atomic<long> asking = 0;
  absl::Status said;
  std::thread caller([&] {
    asking = ::syscall(SYS_gettid);
    said = Ask().status();
  });
  EXPECT_TRUE(AwaitLongPoll(&asking)) << "the request was not sent";
  Kill(spawner);
  caller.join();
  ExpectGone(said, "another one has taken its place, try again");
  EXPECT_EQ(told_.size(), 1U);
  ExpectAnswer();
}

TEST_F(SpawnerPairTest, WithoutBothTheErrorSaysToRestartTheDaemon) {
  const UniqueFd active = Find(kActive);
  Kill(Find(kReserve));
  Kill(active);
  for (int i = 0; i < 2; ++i) {
    ExpectGone(Ask().status(), "both glovebox-spawner processes have ended; restart gloveboxd");
  }
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace glovebox

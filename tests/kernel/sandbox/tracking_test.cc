// Looks at the files after the ends of commands that track changes: whom they hold up.
#include <dirent.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/ids.h"
#include "tests/support/sandbox_world.h"

namespace glovebox {
namespace {

// Whoever asks for the time waits while it is shut. Of what these tests do, only looks ask.
class Gate final : public Clock {
 public:
  int64_t MonotonicNanos() const override {
    absl::MutexLock lock(&mutex_);
    ++asked_;
    mutex_.Await(absl::Condition(&open_));
    return clock_.MonotonicNanos();
  }
  absl::Time Now() const override { return clock_.Now(); }

  void Shut() {
    absl::MutexLock lock(&mutex_);
    open_ = false;
    asked_ = 0;
  }
  void Open() {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  void AwaitAsked() {
    absl::MutexLock lock(&mutex_);
    const auto asked = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return asked_ > 0; };
    mutex_.Await(absl::Condition(&asked));
  }
  uint64_t asked() const {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }

 private:
  RealClock clock_;
  mutable absl::Mutex mutex_;
  mutable uint64_t asked_ ABSL_GUARDED_BY(mutex_) = 0;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
};

// The names in `path` on the host.
size_t CountNames(const std::string& path) {
  size_t count = 0;
  DIR* const directory = ::opendir(path.c_str());
  if (directory == nullptr) return 0;
  while (const dirent* entry = ::readdir(directory)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(directory);
  return count;
}

class TrackingTest : public ::testing::Test {
 protected:
  static constexpr size_t kTracked = 50;

  void SetUp() override {
    auto world = SandboxWorld::Make({}, {.clock = &gate_, .journals = {}});
    ASSERT_TRUE(world.ok()) << world.status();
    world_ = *std::move(world);
  }
  void TearDown() override { gate_.Open(); }

  std::shared_ptr<Sandbox> Create(const std::string& owner) {
    CreateOptions options;
    options.owner = owner;
    auto info = world_->manager().Create(options);
    EXPECT_TRUE(info.ok()) << info.status();
    auto sandbox = info.ok() ? world_->manager().Find(info->id) : info.status();
    EXPECT_TRUE(sandbox.ok()) << sandbox.status();
    return sandbox.ok() ? *sandbox : nullptr;
  }
  static ExecSpec Tracked(const std::string& script) {
    ExecSpec spec = Shell(script);
    spec.track_changes = true;
    spec.stdin_open = true;
    return spec;
  }
  // Commands that have all ended, but for a look that none gets while the gate is shut.
  std::vector<std::shared_ptr<Exec>> EndBehindTheGate(Sandbox& sandbox) {
    std::vector<std::shared_ptr<Exec>> execs;
    const auto before = RunIn(sandbox, Shell("set -- /proc/[0-9]*; echo -n $#"));
    EXPECT_TRUE(before.ok()) << before.status();
    if (!before.ok()) return execs;
    for (size_t i = 0; i < kTracked; ++i) {
      auto exec = sandbox.StartExec(NewRandomId(), Tracked("read line"));
      EXPECT_TRUE(exec.ok()) << exec.status();
      if (exec.ok()) execs.push_back(*exec);
    }
    gate_.Shut();
    for (const auto& exec : execs) {
      const auto taken = exec->WriteStdin(0, "go\n", true);
      EXPECT_TRUE(taken.ok()) << taken.status();
      if (!taken.ok()) return {};
    }
    // Until init has reaped them all.
    const std::string script = absl::StrCat("set -- /proc/[0-9]*; while [ $# -gt ", before->out,
                                            " ]; do set -- /proc/[0-9]*; done");
    EXPECT_TRUE(RunIn(sandbox, Shell(script)).ok());
    gate_.AwaitAsked();
    return execs;
  }

  Gate gate_;
  std::unique_ptr<SandboxWorld> world_;
};

TEST_F(TrackingTest, LooksAfterEndsHoldUpNeitherRecordsNorCleanUp) {
  const auto slow = Create("uid:1");
  const auto other = Create("uid:2");
  ASSERT_TRUE(slow != nullptr && other != nullptr);
  const std::string output = absl::StrCat(world_->directory(), "/output/", other->id());
  const std::string mounts = world_->directory() + "/disks/mounts";
  const size_t disks = CountNames(mounts);
  const auto execs = EndBehindTheGate(*slow);
  ASSERT_EQ(execs.size(), kTracked);

  ASSERT_TRUE(RunIn(*other, Shell("echo one")).ok());
  while (CountNames(output) == 0) std::this_thread::yield();
  ASSERT_TRUE(world_->manager().Delete(other->id()).ok());
  while (CountNames(mounts) >= disks) std::this_thread::yield();  // its ids go with its disk
  for (const auto& exec : execs) EXPECT_FALSE(exec->Snapshot().result.has_value());

  gate_.Open();
  for (const auto& exec : execs) {
    const auto outcome = Collect(exec);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_TRUE(outcome->result.changes.has_value());
  }
}

TEST_F(TrackingTest, EndsThatWaitShareOneLook) {
  const auto sandbox = Create("uid:1");
  ASSERT_NE(sandbox, nullptr);
  ASSERT_TRUE(RunIn(*sandbox, Shell("for i in 1 2 3 4 5 6 7 8; do echo $i > $i; done")).ok());
  gate_.Shut();  // and counts anew
  gate_.Open();
  ASSERT_TRUE(RunIn(*sandbox, Tracked("true")).ok());
  const uint64_t of_two = gate_.asked();  // before its start and after its end

  const auto execs = EndBehindTheGate(*sandbox);
  ASSERT_EQ(execs.size(), kTracked);
  gate_.Open();
  for (const auto& exec : execs) ASSERT_TRUE(Collect(exec).ok());
  // Of the first end, and of all others; an end that came late has one more.
  EXPECT_LE(gate_.asked(), 2 * of_two);
}

}  // namespace
}  // namespace glovebox

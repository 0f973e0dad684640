#include "service/caller.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/work_queue.h"

namespace glovebox {
namespace {

Caller Client(const char* principal) {
  Caller caller;
  caller.principal = principal;
  return caller;
}

TEST(CallerTest, WorkForNoSandboxIsOfNoShare) { EXPECT_EQ(Client("uid:1").ShareFor(""), ""); }

// What waits for one client's sandbox holds up nobody who asks for it without a right to it, or the
// time that a refusal takes would tell that the sandbox is there.
TEST(CallerTest, AnotherClientsWorkForASandboxIsNotHeldUpByItsOwners) {
  WorkQueue queue(/*threads=*/2, /*waiting_max=*/64, /*share_max=*/1);
  std::mutex mutex;
  std::condition_variable changed;
  bool refused = false;
  bool held = true;
  ASSERT_TRUE(queue.TryRun(
      [&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return !held; });
      },
      Client("uid:1").ShareFor("s")));
  ASSERT_TRUE(queue.TryRun(
      [&] {
        const std::lock_guard lock(mutex);
        refused = true;
        changed.notify_all();
      },
      Client("uid:2").ShareFor("s")));
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return refused; });
  held = false;
  changed.notify_all();
}

}  // namespace
}  // namespace glovebox

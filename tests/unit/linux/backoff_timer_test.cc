#include "linux/backoff_timer.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace glovebox {
namespace {

class BackoffTimerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto events = EventLoop::Start();
    ASSERT_TRUE(events.ok()) << events.status();
    events_ = *std::move(events);
    auto timer = BackoffTimer::Make(events_.get(), [this] { due_->Notify(); });
    ASSERT_TRUE(timer.ok()) << timer.status();
    timer_ = *std::move(timer);
  }
  // From Arm to the call, at least; however late the machine is.
  absl::Duration Wait() {
    const absl::Time begin = absl::Now();
    timer_->Arm();
    due_->WaitForNotification();
    due_ = std::make_unique<absl::Notification>();
    return absl::Now() - begin;
  }

  std::unique_ptr<absl::Notification> due_ = std::make_unique<absl::Notification>();
  std::unique_ptr<EventLoop> events_;
  std::unique_ptr<BackoffTimer> timer_;
};

TEST_F(BackoffTimerTest, EachWaitIsTwiceAsLongAsTheOneBefore) {
  EXPECT_GE(Wait(), absl::Milliseconds(BackoffTimer::kFirstMs - 1));
  EXPECT_GE(Wait(), absl::Milliseconds(2 * BackoffTimer::kFirstMs - 1));
  EXPECT_GE(Wait(), absl::Milliseconds(4 * BackoffTimer::kFirstMs - 1));
}

TEST_F(BackoffTimerTest, AfterAResetItIsArmedAnew) {
  (void)Wait();
  timer_->Arm();
  timer_->Reset();
  EXPECT_GE(Wait(), absl::Milliseconds(BackoffTimer::kFirstMs - 1));
}

}  // namespace
}  // namespace glovebox

#include "base/work_queue.h"

#include <atomic>
#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(WorkQueueTest, OneThreadRunsWorkInOrderOfArrival) {
  std::vector<int> order;
  {
    WorkQueue queue(1, 1000);
    for (int i = 0; i < 100; ++i) {
      queue.Run([&order, i] { order.push_back(i); });
    }
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(WorkQueueTest, RefusesBeyondItsLimitAndRunsWhatItTook) {
  int ran = 0;
  {
    absl::Notification begun;  // before the queue, whose threads may still look at it when it ends
    absl::Notification go_on;
    WorkQueue queue(1, 2);
    queue.Run([&] {
      begun.Notify();
      go_on.WaitForNotification();
    });
    begun.WaitForNotification();  // the only thread is busy from here on
    EXPECT_TRUE(queue.TryRun([&] { ++ran; }));
    EXPECT_TRUE(queue.TryRun([&] { ++ran; }));
    EXPECT_FALSE(queue.TryRun([&] { ran += 100; }));
    queue.Run([&] { ++ran; });
    go_on.Notify();
  }
  EXPECT_EQ(ran, 3);
}

TEST(WorkQueueTest, ThreadsRunBesideEachOther) {
  absl::Notification first;
  absl::Notification second;
  absl::Notification done;
  WorkQueue queue(2, 10);
  queue.Run([&] {
    first.Notify();
    second.WaitForNotification();
    done.Notify();
  });
  queue.Run([&] {
    first.WaitForNotification();
    second.Notify();
  });
  done.WaitForNotification();  // would never come from one thread alone
}

TEST(WorkQueueTest, WorkAddedByWorkRunsBeforeTheEnd) {
  std::atomic<int> ran{0};
  {
    WorkQueue queue(2, 10);
    queue.Run([&] { queue.Run([&] { queue.Run([&] { ++ran; }); }); });
  }
  EXPECT_EQ(ran, 1);
}

TEST(WorkQueueTest, OneKeyHasItsShareOfTheThreadsAndNoMore) {
  absl::Notification go_on;
  std::atomic<int> held{0};
  absl::Notification both, other, nobodys;
  {
    WorkQueue queue(3, 100, 2);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(queue.TryRun(
          [&] {
            if (++held == 2) both.Notify();
            go_on.WaitForNotification();
          },
          "stuck"));
    }
    both.WaitForNotification();
    // Arrived later, and come first: the third thread is not for the stuck one.
    ASSERT_TRUE(queue.TryRun([&] { other.Notify(); }, "other"));
    ASSERT_TRUE(queue.TryRun([&] { nobodys.Notify(); }));
    other.WaitForNotification();
    nobodys.WaitForNotification();
    EXPECT_EQ(held.load(), 2);
    go_on.Notify();
  }
  EXPECT_EQ(held.load(), 5) << "what stood aside has run by the end";
}

TEST(WorkQueueTest, OneKeyMayHaveAQuarterOfWhatWaits) {
  absl::Notification begun, go_on;
  int ran = 0;
  {
    WorkQueue queue(2, 8, 1);
    queue.Run(
        [&] {
          begun.Notify();
          go_on.WaitForNotification();
        },
        "stuck");
    begun.WaitForNotification();
    EXPECT_TRUE(queue.TryRun([&] { ++ran; }, "stuck"));
    EXPECT_TRUE(queue.TryRun([&] { ++ran; }, "stuck"));
    EXPECT_FALSE(queue.TryRun([&] { ran += 100; }, "stuck"));
    EXPECT_TRUE(queue.TryRun([] {}, "other"));
    queue.Run([&] { ++ran; }, "stuck");  // never refuses
    go_on.Notify();
  }
  EXPECT_EQ(ran, 3);
}

TEST(WorkQueueTest, WorkOfOneKeyRunsInOrderOfArrival) {
  std::vector<int> order;
  {
    WorkQueue queue(3, 1000, 1);
    for (int i = 0; i < 100; ++i) queue.Run([&order, i] { order.push_back(i); }, "key");
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(WorkQueueTest, WorkIsDestroyedAfterItRan) {
  const auto token = std::make_shared<int>(1);
  {
    WorkQueue queue(1, 10);
    queue.Run([token] {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace glovebox

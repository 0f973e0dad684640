#include "snapshot/single_flight.h"

#include <atomic>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

TEST(SingleFlight, CallersAtTheSameTimeShareOneRun) {
  SingleFlight<int> flights;
  std::atomic<int> runs = 0;
  std::atomic<int> sum = 0;
  std::latch started(1);
  std::latch may_end(1);
  std::thread first([&] {
    sum += *flights.Do("key", [&]() -> absl::StatusOr<int> {
      ++runs;
      started.count_down();
      may_end.wait();
      return 7;
    });
  });
  started.wait();
  std::vector<std::thread> others;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([&] {
      sum += *flights.Do("key", [&]() -> absl::StatusOr<int> {
        ++runs;
        return 0;
      });
    });
  }
  while (flights.waiting() < 4) std::this_thread::yield();  // else ctest's time limit ends this
  may_end.count_down();
  first.join();
  for (std::thread& other : others) other.join();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(sum, 35);
}

TEST(SingleFlight, OtherKeysDoNotWait) {
  SingleFlight<int> flights;
  const auto outer = flights.Do("a", [&]() -> absl::StatusOr<int> {
    return *flights.Do("b", []() -> absl::StatusOr<int> { return 1; }) + 1;
  });
  EXPECT_EQ(*outer, 2);
}

TEST(SingleFlight, ErrorIsNotRemembered) {
  SingleFlight<int> flights;
  EXPECT_FALSE(
      flights.Do("a", []() -> absl::StatusOr<int> { return absl::InternalError("x"); }).ok());
  EXPECT_EQ(*flights.Do("a", []() -> absl::StatusOr<int> { return 3; }), 3);
}

TEST(SingleFlight, WorkIsUnwantedOnlyWhenAllHaveGone) {
  SingleFlight<int> flights;
  std::latch started(1);
  std::latch asked(1);
  std::atomic<bool> other_gone = false;
  absl::StatusOr<int> first = 0;
  std::thread worker([&] {
    first = flights.Do(
        "key",
        [&](const std::function<bool()>& unwanted) -> absl::StatusOr<int> {
          started.count_down();
          while (flights.waiting() == 0) std::this_thread::yield();
          EXPECT_FALSE(unwanted());  // its own caller has gone, another waits
          asked.count_down();
          while (!unwanted()) std::this_thread::yield();
          return absl::CancelledError("unwanted");
        },
        [] { return true; });
  });
  started.wait();
  absl::StatusOr<int> second = 0;
  std::thread other([&] {
    second = flights.Do(
        "key", [](const std::function<bool()>&) -> absl::StatusOr<int> { return 1; },
        [&] { return other_gone.load(); });
  });
  asked.wait();
  other_gone = true;
  other.join();
  worker.join();
  EXPECT_TRUE(absl::IsCancelled(first.status()));
  EXPECT_TRUE(absl::IsCancelled(second.status()));
}

TEST(SingleFlight, WhoStaysDoesTheWorkThatAnotherGaveUp) {
  SingleFlight<int> flights;
  std::latch started(1);
  std::thread leaver([&] {
    const auto given_up = flights.Do("key", [&]() -> absl::StatusOr<int> {
      started.count_down();
      while (flights.waiting() == 0) std::this_thread::yield();
      return absl::CancelledError("given up");
    });
    EXPECT_TRUE(absl::IsCancelled(given_up.status()));
  });
  started.wait();
  const auto done = flights.Do("key", []() -> absl::StatusOr<int> { return 5; });
  leaver.join();
  EXPECT_EQ(*done, 5);
}

}  // namespace
}  // namespace glovebox

#include "snapshot/single_flight.h"

#include <atomic>
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

}  // namespace
}  // namespace glovebox

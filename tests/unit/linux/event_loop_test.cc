#include "linux/event_loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace glovebox {
namespace {

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};

Pipe MakePipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

TEST(EventLoopTest, CallsBackWhenReadableAndAgainWhileItStaysSo) {
  const Pipe pipe = MakePipe();
  absl::Mutex mutex;
  int calls = 0;
  auto loop = EventLoop::Start();
  ASSERT_TRUE(loop.ok()) << loop.status();
  const auto token = (*loop)->Add(pipe.reader.get(), [&] {
    const absl::MutexLock lock(&mutex);
    ++calls;
    if (calls == 3) {
      char byte = 0;
      EXPECT_EQ(::read(pipe.reader.get(), &byte, 1), 1);
    }
  });
  ASSERT_TRUE(token.ok()) << token.status();
  ASSERT_EQ(::write(pipe.writer.get(), "x", 1), 1);
  {
    const absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(
        +[](int* n) { return *n >= 3; }, &calls));
  }
  (*loop)->Remove(*token);
  EXPECT_EQ(calls, 3) << "after the byte was read there is nothing to call for";
}

TEST(EventLoopTest, HangUpIsReported) {
  Pipe pipe = MakePipe();
  absl::Notification called;
  auto loop = EventLoop::Start();
  ASSERT_TRUE(loop.ok());
  uint64_t token = 0;
  absl::Notification added;
  const auto result = (*loop)->Add(pipe.reader.get(), [&] {
    added.WaitForNotification();
    (*loop)->Remove(token);
    called.Notify();
  });
  ASSERT_TRUE(result.ok());
  token = *result;
  added.Notify();
  pipe.writer.Reset();
  called.WaitForNotification();
}

TEST(EventLoopTest, NoCallbackRunsAfterRemoveReturned) {
  const Pipe pipe = MakePipe();
  ASSERT_EQ(::write(pipe.writer.get(), "x", 1), 1);
  auto loop = EventLoop::Start();
  ASSERT_TRUE(loop.ok());
  for (int i = 0; i < 200; ++i) {
    // A call after Remove would touch `calls` beyond its life: the sanitizers would see it.
    auto calls = std::make_unique<int>(0);
    const auto token = (*loop)->Add(pipe.reader.get(), [raw = calls.get()] { ++*raw; });
    ASSERT_TRUE(token.ok());
    (*loop)->Remove(*token);
    const int after = *calls;
    calls.reset();
    EXPECT_GE(after, 0);
  }
}

TEST(EventLoopTest, DestructionDropsCallbacksThatHaveNotBegun) {
  const Pipe pipe = MakePipe();
  auto held = std::make_shared<int>(0);
  {
    auto loop = EventLoop::Start();
    ASSERT_TRUE(loop.ok());
    ASSERT_TRUE((*loop)->Add(pipe.reader.get(), [held] {}).ok());
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(EventLoopTest, BadDescriptorIsAnError) {
  auto loop = EventLoop::Start();
  ASSERT_TRUE(loop.ok());
  EXPECT_FALSE((*loop)->Add(-1, [] {}).ok());
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE((*loop)->Add(file.get(), [] {}).ok()) << "epoll takes no regular files";
}

}  // namespace
}  // namespace glovebox

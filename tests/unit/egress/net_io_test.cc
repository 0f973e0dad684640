#include "egress/net_io.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <new>

namespace glovebox {
namespace {

awaitable<void> End(bool well) {
  if (!well) throw std::bad_alloc();
  co_return;
}

template <typename Then>
bool RunsToItsEnd(bool well, const Then& then) {
  asio::io_context io;
  asio::co_spawn(io, End(well), then);
  io.run();
  return true;
}

TEST(NetIo, ACoroutineThatServesManyEndsTheProcessWhenItFails) {
  EXPECT_TRUE(RunsToItsEnd(true, kOrExit));
  EXPECT_EXIT((void)RunsToItsEnd(false, kOrExit), testing::ExitedWithCode(1), "");
}

TEST(NetIo, ACoroutineOfOneConnectionEndsAlone) {
  EXPECT_TRUE(RunsToItsEnd(true, kOrNothing));
  EXPECT_TRUE(RunsToItsEnd(false, kOrNothing));
}

}  // namespace
}  // namespace glovebox

#include "linux/file_events.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(FileEventsTest, KernelsFrom6Point5OnTellOfWritesThroughOverlays) {
  EXPECT_TRUE(FileEvents::TellsOverlayWrites("6.5.0"));
  EXPECT_TRUE(FileEvents::TellsOverlayWrites("6.18.44-fc-v657"));
  EXPECT_TRUE(FileEvents::TellsOverlayWrites("7.0-rc1"));
  EXPECT_FALSE(FileEvents::TellsOverlayWrites("6.4.16"));
  EXPECT_FALSE(FileEvents::TellsOverlayWrites("6.1.0-44-amd64"));
  EXPECT_FALSE(FileEvents::TellsOverlayWrites("5.15"));
  EXPECT_FALSE(FileEvents::TellsOverlayWrites(""));
}

}  // namespace
}  // namespace glovebox

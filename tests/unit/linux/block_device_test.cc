#include "linux/block_device.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace glovebox {
namespace {

TEST(BlockDeviceTest, WritesAndDiscardsAreCounted) {
  const auto writes = ParseBlockWrites(
      "   27877     1480   581730     5625    12328    22020  2534392    49898        0    10456   "
      " "
      "55528        3        0        0        0       22        4\n",
      "       1        2\n");
  ASSERT_TRUE(writes.has_value());
  EXPECT_EQ(writes->completed, 12331u);
  EXPECT_EQ(writes->in_flight, 2u);
  EXPECT_EQ(ParseBlockWrites("1 2 3 4 5", "0 0")->completed, 5u) << "before discards were counted";
}

TEST(BlockDeviceTest, OtherTextIsNotTaken) {
  EXPECT_FALSE(ParseBlockWrites("", "0 0").has_value());
  EXPECT_FALSE(ParseBlockWrites("1 2 3 4", "0 0").has_value());
  EXPECT_FALSE(ParseBlockWrites("1 2 3 4 x", "0 0").has_value());
  EXPECT_FALSE(ParseBlockWrites("1 2 3 4 5", "0").has_value());
}

TEST(BlockDeviceTest, AMissingDeviceIsAnError) {
  EXPECT_FALSE(ReadBlockWrites(makedev(4000, 1)).ok());
}

}  // namespace
}  // namespace glovebox

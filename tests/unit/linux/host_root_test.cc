#include "linux/host_root.h"

#include <gtest/gtest.h>

namespace glovebox {
namespace {

TEST(HostRoot, OnlyTheMapOfTheInitialUserNamespaceIsTheHosts) {
  EXPECT_TRUE(IsInitialUidMap("         0          0 4294967295\n"));
  EXPECT_FALSE(IsInitialUidMap("         0       1000          1\n"));
  EXPECT_FALSE(IsInitialUidMap("         0          0      65536\n"));
  EXPECT_FALSE(IsInitialUidMap("0 0 4294967295\n4294967295 0 1\n"));
  EXPECT_FALSE(IsInitialUidMap(""));
}

}  // namespace
}  // namespace glovebox

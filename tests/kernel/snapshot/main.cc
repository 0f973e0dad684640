// All tests here mount: in a mount namespace of this process, so nothing outlives it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "gtest/gtest.h"
#include "linux/mount.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (::geteuid() != 0) {
    const bool must_run = std::getenv("GLOVEBOX_TESTS_MUST_RUN") != nullptr;
    std::cerr << "kernel_snapshot: needs root\n";
    return must_run ? 1 : 0;
  }
  const absl::Status entered = glovebox::EnterPrivateMountNamespace();
  if (!entered.ok()) {
    std::cerr << entered << "\n";
    return 1;
  }
  return RUN_ALL_TESTS();
}

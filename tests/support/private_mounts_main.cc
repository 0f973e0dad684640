// main of tests that mount: a private mount namespace before any thread, so that every mount goes
// with the process.
#include <gmock/gmock.h>

#include <iostream>

#include "linux/mount.h"

int main(int argc, char** argv) {
  if (absl::Status entered = glovebox::EnterPrivateMountNamespace(); !entered.ok()) {
    std::cerr << "these tests need root: " << entered << "\n";
    return 1;
  }
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}

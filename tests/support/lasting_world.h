// A SandboxWorld whose sandboxes go on while one daemon after another has them.
#ifndef GLOVEBOX_TESTS_SUPPORT_LASTING_WORLD_H_
#define GLOVEBOX_TESTS_SUPPORT_LASTING_WORLD_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/ids.h"
#include "tests/support/must_run.h"
#include "tests/support/sandbox_world.h"

namespace glovebox {

// A fixture; what is left at the end ends, and nothing of it stays.
class LastingWorldTest : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_UNLESS(::geteuid() == 0, "needs root"); }
  void TearDown() override {
    if (world_ != nullptr) world_->EndAll();
    world_.reset();
    EXPECT_FALSE(std::filesystem::exists(directory_));
  }
  // The one before, if any, stops in an orderly way.
  SandboxManager& NextDaemon() {
    world_.reset();
    auto world = SandboxWorld::MakeLasting(directory_);
    EXPECT_TRUE(world.ok()) << world.status();
    world_ = *std::move(world);
    EXPECT_THAT(world_->adoption().problems, ::testing::IsEmpty());
    return world_->manager();
  }
  const std::string directory_ = "/tmp/" + NewRandomId();
  std::unique_ptr<SandboxWorld> world_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_LASTING_WORLD_H_

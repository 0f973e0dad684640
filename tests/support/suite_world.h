// One SandboxWorld for all tests of a suite: it takes a while to make.
#ifndef GLOVEBOX_TESTS_SUPPORT_SUITE_WORLD_H_
#define GLOVEBOX_TESTS_SUPPORT_SUITE_WORLD_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "tests/support/sandbox_world.h"

namespace glovebox {

// `class FooTest : public SuiteWorld<FooTest>`: each suite has its own.
template <typename Suite>
class SuiteWorld : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto world = SandboxWorld::Make();
    ASSERT_TRUE(world.ok()) << world.status();
    world_ = world->release();
  }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }

  // Null after a failure.
  static std::shared_ptr<Sandbox> Find(const std::string& id) {
    auto sandbox = world_->manager().Find(id);
    EXPECT_TRUE(sandbox.ok()) << sandbox.status();
    return sandbox.ok() ? *sandbox : nullptr;
  }
  static std::shared_ptr<Sandbox> Create(const CreateOptions& options = {}) {
    auto info = world_->manager().Create(options);
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? Find(info->id) : nullptr;
  }
  // Until the command has printed something.
  static void AwaitOutput(const std::shared_ptr<Exec>& exec) {
    OutputReader reader(exec, 0, OutputReader::NeverWaitedFor());
    while (true) {
      const auto frame = reader.Next();
      ASSERT_TRUE(frame.ok()) << frame.status();
      if (frame->has_value() && (*frame)->kind == OutputFrame::Kind::kData) return;
      std::this_thread::yield();
    }
  }

  inline static SandboxWorld* world_ = nullptr;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_SUPPORT_SUITE_WORLD_H_

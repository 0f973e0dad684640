#include "daemon/state_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

class StateDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/gbstate.XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    root_ = directory;
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, root_); }  // in /tmp
  std::string root_;
};

TEST_F(StateDirectoryTest, IsPrivateAndKeepsItsInstance) {
  std::string instance;
  {
    const auto state = StateDirectory::Open(root_ + "/a/b");
    ASSERT_TRUE(state.ok()) << state.status();
    instance = state->instance();
    EXPECT_EQ(instance.size(), 16u);
    struct stat made {};
    ASSERT_EQ(::stat(state->path().c_str(), &made), 0);
    EXPECT_EQ(made.st_mode & 07777, 0700u);
  }
  const auto again = StateDirectory::Open(root_ + "/a/b");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->instance(), instance);
}

TEST_F(StateDirectoryTest, SecondDaemonIsRefusedWithAReason) {
  const auto first = StateDirectory::Open(root_ + "/s");
  ASSERT_TRUE(first.ok());
  const auto second = StateDirectory::Open(root_ + "/s");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(GetErrorDetail(second.status())->reason, "STATE_DIR_IN_USE");
}

TEST_F(StateDirectoryTest, DamagedInstanceIsNotGuessedAround) {
  { ASSERT_TRUE(StateDirectory::Open(root_ + "/s").ok()); }
  const auto file = OpenAt(AT_FDCWD, root_ + "/s/instance", O_WRONLY | O_TRUNC);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(WriteAll(file->get(), "../../etc").ok());
  const auto state = StateDirectory::Open(root_ + "/s");
  ASSERT_FALSE(state.ok());
  EXPECT_EQ(GetErrorDetail(state.status())->reason, "STATE_DIR_DAMAGED");
}

}  // namespace
}  // namespace glovebox

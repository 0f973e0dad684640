#include "daemon/unix_listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "linux/file_io.h"

namespace glovebox {
namespace {

class UnixListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/gbsock.XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    root_ = directory;
    path_ = root_ + "/s";
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, root_); }  // in /tmp

  // A socket file whose owner has gone without removing it.
  void LeaveStaleSocket() const {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  std::string root_, path_;
};

TEST_F(UnixListenerTest, StaleSocketIsReplaced) {
  LeaveStaleSocket();
  const auto listener = UnixListener::Open(path_, std::nullopt);
  EXPECT_TRUE(listener.ok()) << listener.status();
}

TEST_F(UnixListenerTest, WhatIsNoSocketIsLeftAlone) {
  { ASSERT_TRUE(OpenAt(AT_FDCWD, path_, O_WRONLY | O_CREAT, 0600).ok()); }
  EXPECT_TRUE(absl::IsFailedPrecondition(UnixListener::Open(path_, std::nullopt).status()));
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
}

TEST_F(UnixListenerTest, GroupMayConnectWhenThereIsOne) {
  const auto listener = UnixListener::Open(path_, ::getegid());
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat made {};
  ASSERT_EQ(::stat(path_.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0660u);
}

TEST(PeerOf, TellsWhoIsAtTheOtherEnd) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd first(ends[0]);
  const UniqueFd second(ends[1]);
  const auto peer = PeerOf(first.get());
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_EQ(peer->pid, ::getpid());
}

TEST(PeerPolicy, AllowsRootTheOwnerAndTheGroupAndNobodyElse) {
  const PeerPolicy alone{500, std::nullopt};
  EXPECT_TRUE(alone.Allows({1, 0, 0, {}}));
  EXPECT_TRUE(alone.Allows({1, 500, 9, {}}));
  EXPECT_FALSE(alone.Allows({1, 501, 500, {500}}));
  const PeerPolicy group{500, 77};
  EXPECT_TRUE(group.Allows({1, 501, 77, {}}));
  EXPECT_TRUE(group.Allows({1, 501, 9, {1, 77}}));
  EXPECT_FALSE(group.Allows({1, 501, 9, {1, 78}}));
}

}  // namespace
}  // namespace glovebox

#include "linux/seqpacket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/status.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

class SeqpacketTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = MakeSeqpacketPair();
    ASSERT_TRUE(pair.ok()) << pair.status();
    ours_ = std::move(pair->first);
    theirs_ = std::move(pair->second);
  }

  UniqueFd ours_;
  UniqueFd theirs_;
};

TEST_F(SeqpacketTest, MessagesKeepTheirBoundsAndOrder) {
  ASSERT_TRUE(SendPacket(ours_.get(), "one", {}).ok());
  ASSERT_TRUE(SendPacket(ours_.get(), std::string("t\0wo", 4), {}).ok());
  EXPECT_EQ(ReceivePacket(theirs_.get(), 100, 0, 0)->bytes, "one");
  EXPECT_EQ(ReceivePacket(theirs_.get(), 100, 0, 0)->bytes, std::string("t\0wo", 4));
}

TEST_F(SeqpacketTest, DescriptorsArriveOpenAndCloseOnExec) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(SendPacket(ours_.get(), "x", {null.get(), ours_.get()}).ok());
  const auto packet = ReceivePacket(theirs_.get(), 10, 2, 0);
  ASSERT_TRUE(packet.ok()) << packet.status();
  ASSERT_EQ(packet->fds.size(), 2u);
  struct stat sent {};
  struct stat received {};
  ASSERT_EQ(::fstat(null.get(), &sent), 0);
  ASSERT_EQ(::fstat(packet->fds[0].get(), &received), 0);
  EXPECT_EQ(sent.st_rdev, received.st_rdev);
  for (const UniqueFd& fd : packet->fds) EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(SeqpacketTest, TooLongMessageIsDataLoss) {
  ASSERT_TRUE(SendPacket(ours_.get(), "four", {}).ok());
  EXPECT_EQ(ReceivePacket(theirs_.get(), 3, 0, 0).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SeqpacketTest, MoreDescriptorsThanAllowedAreDataLossAndLeakNothing) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const size_t allowed : {0u, 1u, 2u, 3u}) {
    const size_t before = OpenDescriptors();
    ASSERT_TRUE(SendPacket(ours_.get(), "x", std::vector<int>(allowed + 1, null.get())).ok());
    EXPECT_EQ(ReceivePacket(theirs_.get(), 10, allowed, 0).status().code(),
              absl::StatusCode::kDataLoss)
        << allowed;
    EXPECT_EQ(OpenDescriptors(), before) << allowed;
    ASSERT_TRUE(SendPacket(ours_.get(), "x", std::vector<int>(allowed, null.get())).ok());
    const auto packet = ReceivePacket(theirs_.get(), 10, allowed, 0);
    ASSERT_TRUE(packet.ok()) << packet.status();
    EXPECT_EQ(packet->fds.size(), allowed);
  }
}

TEST_F(SeqpacketTest, SilenceEndsAtTheDeadline) {
  EXPECT_EQ(ReceivePacket(theirs_.get(), 10, 0, 0).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SeqpacketTest, ClosedPeerIsAnEmptyPacketAndAnErrorOnSend) {
  theirs_.Reset();
  const auto packet = ReceivePacket(ours_.get(), 10, 0, 0);
  ASSERT_TRUE(packet.ok()) << packet.status();
  EXPECT_TRUE(packet->bytes.empty());
  EXPECT_FALSE(SendPacket(ours_.get(), "x", {}).ok()) << "and no SIGPIPE";
}

TEST_F(SeqpacketTest, WhatAPeerSentBeforeItClosedIsReadAlthoughItLeftOursUnread) {
  ASSERT_EQ(SendPacket(ours_.get(), "unread", {}), absl::OkStatus());
  ASSERT_EQ(SendPacket(theirs_.get(), "last words", {}), absl::OkStatus());
  theirs_.Reset();
  const auto words = ReceivePacket(ours_.get(), 100, 0, 1000);
  ASSERT_TRUE(words.ok()) << words.status();
  EXPECT_EQ(words->bytes, "last words");
  const auto end = ReceivePacket(ours_.get(), 100, 0, 1000);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->bytes, "");
}

TEST_F(SeqpacketTest, NonBlockingSocketSaysWouldBlock) {
  ASSERT_EQ(::fcntl(ours_.get(), F_SETFL, O_NONBLOCK), 0);
  const absl::Status empty = ReceivePacket(ours_.get(), 10, 0, -1).status();
  EXPECT_EQ(ReasonOf(empty), "WOULD_BLOCK");
  EXPECT_TRUE(WouldBlock(empty));
  const std::string message(1000, 'm');
  absl::Status status;
  for (int i = 0; i < 100'000 && status.ok(); ++i) status = SendPacket(ours_.get(), message, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "WOULD_BLOCK");
  EXPECT_TRUE(WouldBlock(status));
  // The same code, and no such reason.
  EXPECT_FALSE(WouldBlock(absl::UnavailableError("gone")));
  EXPECT_FALSE(WouldBlock(absl::OkStatus()));
}

TEST(SeqpacketPathTest, ListeningSocketIsForItsOwnerOnlyAndReplacesAnOldFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.Join("socket");
  std::ofstream(path) << "left by a daemon that died";
  const auto listener = ListenSeqpacket(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto client = ConnectSeqpacket(path);
  ASSERT_TRUE(client.ok()) << client.status();
  const UniqueFd server(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(SendPacket(client->get(), "hello", {}).ok());
  EXPECT_EQ(ReceivePacket(server.get(), 10, 0, 0)->bytes, "hello");
}

TEST(SeqpacketPathTest, NobodyListeningIsAnError) {
  const TemporaryDirectory directory;
  EXPECT_EQ(ConnectSeqpacket(directory.Join("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST(SeqpacketPathTest, TooLongPathIsRefusedWithARemedy) {
  const absl::Status status = ListenSeqpacket("/tmp/" + std::string(103, 'p')).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "PATH_TOO_LONG");
  EXPECT_NE(status.message().find("shorter state directory"), absl::string_view::npos);
}

}  // namespace
}  // namespace glovebox

// What an init may say to the daemon, and what ends it.
#include "launcher/init_client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "linux/memfd.h"
#include "linux/seqpacket.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

// The test plays init.
class InitClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_.Join("socket");
    const UniqueFd listener = *ListenSeqpacket(path);
    client_ = *InitClient::Connect(path);
    init_.Reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(init_.valid());
    const auto hello = ReceivePacket(init_.get(), 1000, 0, 1000);
    ASSERT_TRUE(hello.ok());
    ASSERT_EQ(hello->bytes.size(), sizeof(FrameHeader) + sizeof(HelloBody));
    memory_ = *MakeFixedSizeMemfd("test", 4096);
  }
  void SendBytes(const std::string& bytes, int descriptors = 0) {
    const std::vector<int> fds(static_cast<size_t>(descriptors), memory_.get());
    ASSERT_TRUE(SendPacket(init_.get(), bytes, fds).ok());
  }
  static std::string FrameBytes(FrameKind kind, uint32_t exec_no, absl::string_view body) {
    FrameHeader header{kFrameMagic, kind, 0, exec_no, static_cast<uint32_t>(body.size())};
    return absl::StrCat(BytesOf(header), body);
  }
  void Send(FrameKind kind, uint32_t exec_no = 0, int descriptors = 0,
            absl::string_view body = "") {
    SendBytes(FrameBytes(kind, exec_no, body), descriptors);
  }
  void SendHelloAck(uint32_t version = kFramesVersion) {
    Send(FrameKind::kHelloAck, 0, 0, BytesOf(HelloBody{version, 0}));
  }
  void Greet() {
    SendHelloAck();
    Send(FrameKind::kHeldAll);
    ASSERT_EQ((*client_->Receive())->kind, FrameKind::kHelloAck);
    ASSERT_EQ((*client_->Receive())->kind, FrameKind::kHeldAll);
  }
  absl::StatusCode Answer() { return client_->Receive().status().code(); }

  TemporaryDirectory directory_;
  std::unique_ptr<InitClient> client_;
  UniqueFd init_;
  UniqueFd memory_;
};

TEST_F(InitClientTest, ASocketComesWithADescriptorOrAnError) {
  Greet();
  Send(FrameKind::kSocket, 0, 1, BytesOf(SocketBody{3, 0, 0}));
  auto frame = client_->Receive();
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_EQ((*frame)->As<SocketBody>().request, 3u);
  EXPECT_TRUE((*frame)->descriptor.valid());
  Send(FrameKind::kSocket, 0, 0, BytesOf(SocketBody{4, ECONNREFUSED, 0}));
  frame = client_->Receive();
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_FALSE((*frame)->descriptor.valid());
  Send(FrameKind::kSocket, 0, 0, BytesOf(SocketBody{5, 0, 0}));
  EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << "a socket that is not there";
  Send(FrameKind::kSocket, 0, 1, BytesOf(SocketBody{6, ECONNREFUSED, 0}));
  EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << "one beside an error";
  Send(FrameKind::kSocket, 0, 1);
  EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << "no body";
}

TEST_F(InitClientTest, FramesThatFitAreHandedOver) {
  Greet();
  Send(FrameKind::kStarted, 3, 0, BytesOf(StartedBody{5, 0, 6}));
  const auto frame = client_->Receive();
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_EQ((*frame)->exec_no, 3u);
  EXPECT_EQ((*frame)->As<StartedBody>().pid, 5);
  EXPECT_FALSE((*frame)->descriptor.valid());
  EXPECT_FALSE((*client_->Receive()).has_value()) << "nothing more now";
}

TEST_F(InitClientTest, GarbledFramesAreRefused) {
  const std::string good = FrameBytes(FrameKind::kStarted, 1, BytesOf(StartedBody{}));
  std::vector<std::string> bad = {
      good.substr(0, 1),
      good.substr(0, sizeof(FrameHeader) - 1),
      good.substr(0, good.size() - 1),
      good + "x",
      std::string(good.size(), '\0'),
      FrameBytes(FrameKind::kStarted, 1, ""),
      FrameBytes(FrameKind::kEnd, 1, "short"),
      FrameBytes(FrameKind::kAckEnd, 1, ""),  // ours to send
      FrameBytes(static_cast<FrameKind>(999), 1, ""),
      std::string(sizeof(FrameHeader) + kFrameBodyMax + 1, 'x'),
  };
  bad.push_back(good);
  bad.back()[6] = 1;  // a flag
  for (size_t i = 0; i < bad.size(); ++i) {
    SetUp();
    Greet();
    SendBytes(bad[i]);
    EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << i;
  }
}

TEST_F(InitClientTest, DescriptorsComeWithHeldExecsOnlyAndOneEach) {
  for (const auto& [kind, descriptors] : {std::pair{FrameKind::kHeld, 0},
                                          {FrameKind::kHeld, 2},
                                          {FrameKind::kHeld, 3},
                                          {FrameKind::kHeld, 20},
                                          {FrameKind::kOutput, 1},
                                          {FrameKind::kHeldAll, 1}}) {
    SetUp();
    SendHelloAck();
    ASSERT_TRUE(client_->Receive().ok());
    Send(kind, 1, descriptors);
    EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << descriptors;
  }
  SetUp();
  SendHelloAck();
  ASSERT_TRUE(client_->Receive().ok());
  Send(FrameKind::kHeld, 1, 1);
  const auto held = client_->Receive();
  ASSERT_TRUE(held.ok() && held->has_value());
  EXPECT_EQ(::fcntl((*held)->descriptor.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(InitClientTest, FramesOutOfTurnAreRefused) {
  Send(FrameKind::kOutput, 1);
  EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << "before the answer to hello";
  SetUp();
  Greet();
  SendHelloAck();
  EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << "a second answer";
  SetUp();
  Greet();
  Send(FrameKind::kHeld, 1, 1);
  EXPECT_EQ(Answer(), absl::StatusCode::kDataLoss) << "after everything was told";
}

TEST_F(InitClientTest, AnInitOfAnUnknownVersionIsRefusedByName) {
  for (uint32_t version : {uint32_t{0}, kFramesVersionOldest - 1, kFramesVersion + 1}) {
    SetUp();
    SendHelloAck(version);
    const auto answer = client_->Receive();
    EXPECT_TRUE(absl::IsFailedPrecondition(answer.status()));
    EXPECT_EQ(ReasonOf(answer.status()), "INIT_VERSION") << version;
  }
}

TEST_F(InitClientTest, HeldExecsAreCollectedWithTheirFrames) {
  SendHelloAck();
  Send(FrameKind::kHeld, 4, 1);
  Send(FrameKind::kStarted, 4, 0, BytesOf(StartedBody{}));
  Send(FrameKind::kHeld, 5, 1);
  Send(FrameKind::kEnd, 5, 0, BytesOf(ExecEnd{}));
  Send(FrameKind::kHeldAll);
  const auto held = client_->CollectHeld(1000);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->regions.size(), 2u);
  EXPECT_TRUE(held->regions.at(4).valid());
  ASSERT_EQ(held->frames.size(), 2u);
  EXPECT_EQ(held->frames[0].kind, FrameKind::kStarted);
  EXPECT_EQ(held->frames[1].exec_no, 5u);
}

TEST_F(InitClientTest, AnExecHeldTwiceOrFramesOfAnotherAreRefused) {
  SendHelloAck();
  Send(FrameKind::kHeld, 4, 1);
  Send(FrameKind::kHeld, 4, 1);
  EXPECT_TRUE(absl::IsDataLoss(client_->CollectHeld(1000).status()));
  SetUp();
  SendHelloAck();
  Send(FrameKind::kHeld, 4, 1);
  Send(FrameKind::kOutput, 5);
  EXPECT_TRUE(absl::IsDataLoss(client_->CollectHeld(1000).status()));
  SetUp();
  SendHelloAck();
  Send(FrameKind::kHeld, 4, 1);
  for (int i = 0; i < 5; ++i) Send(FrameKind::kOutput, 4);
  EXPECT_TRUE(absl::IsDataLoss(client_->CollectHeld(1000).status()));
}

TEST_F(InitClientTest, AnInitThatDoesNotAnswerOrEndsIsTold) {
  SendHelloAck();
  EXPECT_TRUE(absl::IsDeadlineExceeded(client_->CollectHeld(20).status()));
  init_.Reset();
  EXPECT_TRUE(absl::IsUnavailable(client_->CollectHeld(1000).status()));
}

TEST_F(InitClientTest, WithoutRoomForADescriptorTheFrameIsNotTakenForABreach) {
  SendHelloAck();
  Send(FrameKind::kHeld, 4, 1);
  ASSERT_TRUE(client_->Receive().ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // The lowest free number is the first that is not allowed.
  const UniqueFd lowest(::fcntl(memory_.get(), F_DUPFD_CLOEXEC, 0));
  const rlimit none{static_cast<rlim_t>(lowest.get()) + 1, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto answer = client_->Receive();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(answer.status())) << answer.status();
  EXPECT_EQ(ReasonOf(answer.status()), "DESCRIPTORS_EXHAUSTED");
}

}  // namespace
}  // namespace glovebox

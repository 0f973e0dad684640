#include "sandbox/sandbox_sockets.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/flat_bytes.h"
#include "base/status.h"
#include "linux/seqpacket.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

// The test plays init.
class SandboxSocketsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_.Join("socket");
    const UniqueFd listener = *ListenSeqpacket(path);
    client_ = *InitClient::Connect(path);
    init_.Reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ASSERT_TRUE(ReceivePacket(init_.get(), 1000, 0, 1000).ok());  // kHello
    sockets_ = std::make_shared<SandboxSockets>(client_, &budget_);
  }
  void Send(FrameKind kind, absl::string_view body, const std::vector<int>& fds = {}) {
    const FrameHeader header{kFrameMagic, kind, 0, 0, static_cast<uint32_t>(body.size())};
    std::string bytes(BytesOf(header));
    bytes.append(body.data(), body.size());
    ASSERT_TRUE(SendPacket(init_.get(), bytes, fds).ok());
  }
  void Greet(uint32_t version = kFramesVersion) {
    Send(FrameKind::kHelloAck, BytesOf(HelloBody{version, 0}));
    ASSERT_EQ((*client_->Receive())->kind, FrameKind::kHelloAck);
    sockets_->OnHello();
  }
  // What the daemon asks for next; nullopt: nothing now.
  std::optional<OpenSocketBody> Asked() {
    const auto packet = ReceivePacket(init_.get(), 1000, 0, -1);
    if (!packet.ok()) return std::nullopt;
    OpenSocketBody body{};
    EXPECT_EQ(packet->bytes.size(), sizeof(FrameHeader) + sizeof body);
    __builtin_memcpy(&body, packet->bytes.data() + sizeof(FrameHeader), sizeof body);
    return body;
  }
  absl::Status Answer(uint64_t request, int error) {
    std::vector<int> fds;
    if (error == 0) fds.push_back(init_.get());
    Send(FrameKind::kSocket, BytesOf(SocketBody{request, error, 0}), fds);
    auto frame = client_->Receive();
    if (!frame.ok()) return frame.status();
    return sockets_->OnAnswer(**std::move(frame));
  }
  std::unique_ptr<SandboxSockets::Place> Enter() {
    auto place = sockets_->Enter([this](const absl::Status& why) { ended_.push_back(why); });
    EXPECT_TRUE(place.ok()) << place.status();
    return *std::move(place);
  }
  void Open(SandboxSockets::Place& place) {
    place.Open(SocketKind::kConnectIpv4, 80, [this](absl::StatusOr<UniqueFd> made) {
      results_.push_back(made.status());
      EXPECT_EQ(made.ok(), made.ok() && made->valid());
    });
  }

  TemporaryDirectory directory_;
  SocketBudget budget_{SandboxSockets::kPlacesMax + 1};
  std::shared_ptr<InitClient> client_;
  UniqueFd init_;
  std::shared_ptr<SandboxSockets> sockets_;
  std::vector<absl::Status> results_, ended_;
};

TEST_F(SandboxSocketsTest, ASocketComesWithItsAnswer) {
  Greet();
  const auto place = Enter();
  Open(*place);
  const auto asked = Asked();
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->kind, SocketKind::kConnectIpv4);
  EXPECT_EQ(asked->port, 80);
  EXPECT_TRUE(results_.empty());
  ASSERT_TRUE(Answer(asked->request, 0).ok());
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_TRUE(results_[0].ok());
}

TEST_F(SandboxSocketsTest, InitsErrorIsTold) {
  Greet();
  const auto place = Enter();
  Open(*place);
  ASSERT_TRUE(Answer(Asked()->request, ECONNREFUSED).ok());
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(GetErrorDetail(results_[0])->metadata["errno"], std::to_string(ECONNREFUSED));
}

TEST_F(SandboxSocketsTest, NothingIsAskedBeforeInitsVersionIsKnownNorOfAnOlderOne) {
  const auto place = Enter();
  Open(*place);
  EXPECT_FALSE(Asked().has_value());
  Greet(kFramesVersionSocket - 1);
  EXPECT_FALSE(Asked().has_value());
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(ReasonOf(results_[0]), "CAPABILITY_MISSING");
}

TEST_F(SandboxSocketsTest, NoMoreIsAskedAtOnceThanInitTakes) {
  Greet();
  const auto place = Enter();
  for (uint32_t i = 0; i < kSocketsAskedMax + 2; ++i) Open(*place);
  std::vector<uint64_t> asked;
  while (const auto one = Asked()) asked.push_back(one->request);
  ASSERT_EQ(asked.size(), kSocketsAskedMax);
  ASSERT_TRUE(Answer(asked[0], EMFILE).ok());
  EXPECT_TRUE(Asked().has_value()) << "the next one, now that there is room";
  EXPECT_FALSE(Asked().has_value());
}

TEST_F(SandboxSocketsTest, AnswersThatNobodyAskedForBreakTheProtocol) {
  Greet();
  const auto place = Enter();
  EXPECT_EQ(Answer(1, 0).code(), absl::StatusCode::kDataLoss);
  Open(*place);
  EXPECT_EQ(Answer(Asked()->request + 1, 0).code(), absl::StatusCode::kDataLoss);
}

TEST_F(SandboxSocketsTest, ADescriptorThatWasLostFailsTheOldestRequest) {
  Greet();
  sockets_->OnDescriptorLost();  // init sent one that nobody asked for
  const auto place = Enter();
  Open(*place);
  sockets_->OnDescriptorLost();
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(ReasonOf(results_[0]), "DESCRIPTORS_EXHAUSTED");
}

TEST_F(SandboxSocketsTest, TheEndIsToldOnceToWhoIsThereAndAtOnceToWhoComesLater) {
  Greet();
  const auto first = Enter();
  auto second = Enter();
  second.reset();
  Open(*first);
  sockets_->End(absl::AbortedError("over"));
  sockets_->End(absl::AbortedError("again"));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].message(), "over");
  ASSERT_EQ(ended_.size(), 1u);
  const auto late = Enter();
  ASSERT_EQ(ended_.size(), 2u);
  EXPECT_EQ(ended_[1].message(), "over");
  Open(*late);
  EXPECT_EQ(results_.size(), 2u);
}

TEST_F(SandboxSocketsTest, PlacesAreLimitedForEachSandboxAndForAll) {
  std::vector<std::unique_ptr<SandboxSockets::Place>> places;
  for (size_t i = 0; i < SandboxSockets::kPlacesMax; ++i) places.push_back(Enter());
  const auto ignored = [](const absl::Status&) {};
  EXPECT_EQ(ReasonOf(sockets_->Enter(ignored).status()), "FORWARD_LIMIT");
  const auto other = std::make_shared<SandboxSockets>(client_, &budget_);
  const auto last = other->Enter(ignored);
  EXPECT_TRUE(last.ok());
  EXPECT_EQ(ReasonOf(other->Enter(ignored).status()), "FORWARD_LIMIT");
  places.pop_back();
  EXPECT_TRUE(other->Enter(ignored).ok());
}

}  // namespace
}  // namespace glovebox

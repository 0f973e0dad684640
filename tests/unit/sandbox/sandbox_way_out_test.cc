#include "sandbox/sandbox_way_out.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "linux/seqpacket.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

constexpr char kOwner[] = "uid:1000";

// Notes what it is asked.
class Gateway : public EgressGateway {
 public:
  absl::StatusOr<uint64_t> Add(const EgressPolicy&, const std::string& owner,
                               std::vector<EgressListener> listeners, UniqueFd,
                               TakeRecord) override {
    EXPECT_EQ(owner, kOwner);
    for (const EgressListener& one : listeners) roles.push_back(one.role);
    return 7;
  }
  absl::Status Listen(uint64_t sandbox, std::vector<EgressListener> listeners) override {
    EXPECT_EQ(sandbox, 7u);
    added += listeners.size();
    return absl::OkStatus();
  }
  absl::StatusOr<uint32_t> Replace(uint64_t sandbox, const EgressPolicy& with) override {
    EXPECT_EQ(sandbox, 7u);
    policy = with;
    return 3;
  }
  void NoteCommands(uint64_t sandbox, EgressCommandWord) override { EXPECT_EQ(sandbox, 7u); }
  void Settle(uint64_t sandbox) override { EXPECT_EQ(sandbox, 7u); }
  void Remove(uint64_t sandbox) override { removed.push_back(sandbox); }

  std::vector<EgressRole> roles;
  size_t added = 0;
  EgressPolicy policy;
  std::vector<uint64_t> removed;
};

// Gives one end of a pipe for what it is asked, or nothing.
class Giver : public PortGiver {
 public:
  absl::StatusOr<UniqueFd> GiveEveryPort(int names, int others) override {
    EXPECT_GE(names, 0);
    EXPECT_GE(others, 0);
    EXPECT_NE(names, others);
    if (!gives) return absl::InternalError("the kernel refuses");
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    kept.emplace_back(ends[0]);
    return UniqueFd(ends[1]);
  }
  bool IsHeld() const {
    pollfd entry{kept.back().get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 0;  // else it hangs up
  }

  bool gives = true;
  std::vector<UniqueFd> kept;
};

EgressPolicy Ports(std::vector<uint32_t> ports) {
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  while (!ports.empty()) {
    const size_t count = std::min(ports.size(), kEgressPortsMax);
    EgressRule rule{"", "db.example", {}, EgressScheme::kTcp, {}, {}, {}};
    rule.ports.assign(ports.end() - static_cast<ptrdiff_t>(count), ports.end());
    ports.resize(ports.size() - count);
    policy.rules.push_back(std::move(rule));
  }
  return policy;
}

std::vector<uint32_t> Range(uint32_t first, uint32_t count) {
  std::vector<uint32_t> ports;
  for (uint32_t i = 0; i < count; ++i) ports.push_back(first + i);
  return ports;
}

// The test plays init, on a thread: a socket for each request, but for ports that are in use.
class SandboxWayOutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_.Join("socket");
    const UniqueFd listener = *ListenSeqpacket(path);
    client_ = *InitClient::Connect(path);
    init_.Reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(ReceivePacket(init_.get(), 1000, 0, 1000).ok());  // kHello
    sockets_ = std::make_shared<SandboxSockets>(client_, nullptr);
    end_.Reset(::eventfd(0, EFD_CLOEXEC));
    Send(FrameKind::kHelloAck, HelloBody{kFramesVersion, 0}, {});
    ASSERT_EQ((*client_->Receive())->kind, FrameKind::kHelloAck);
    sockets_->OnHello();
    plays_ = std::thread([this] { Play(); });
  }
  ~SandboxWayOutTest() override {
    const uint64_t one = 1;
    EXPECT_EQ(::write(end_.get(), &one, sizeof one), ssize_t{sizeof one});
    plays_.join();
  }
  template <typename Body>
  void Send(FrameKind kind, const Body& body, const std::vector<int>& fds) {
    const FrameHeader header{kFrameMagic, kind, 0, 0, sizeof body};
    EXPECT_TRUE(SendPacket(init_.get(), absl::StrCat(BytesOf(header), BytesOf(body)), fds).ok());
  }
  void Play() {
    for (;;) {
      pollfd waiting[] = {{init_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
      if (::poll(waiting, 2, -1) < 0 || waiting[1].revents != 0) return;
      const auto packet = ReceivePacket(init_.get(), 1000, 0, 1000);
      if (!packet.ok()) return;
      OpenSocketBody asked{};
      __builtin_memcpy(&asked, packet->bytes.data() + sizeof(FrameHeader), sizeof asked);
      const bool refused = in_use_.load() != 0 && asked.port == in_use_.load();
      const UniqueFd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      Send(FrameKind::kSocket, SocketBody{asked.request, refused ? EADDRINUSE : 0, 0},
           refused ? std::vector<int>{} : std::vector<int>{made.get()});
      auto frame = client_->Receive();
      ASSERT_TRUE(frame.ok() && frame->has_value());
      EXPECT_TRUE(sockets_->OnAnswer(**std::move(frame)).ok());
    }
  }
  absl::StatusOr<std::shared_ptr<SandboxWayOut>> Open(const EgressPolicy& policy) {
    return SandboxWayOut::Open(&gateway_, ports_, sockets_, policy, kOwner, UniqueFd(), nullptr);
  }

  TemporaryDirectory directory_;
  Gateway gateway_;
  PortGiver* ports_ = nullptr;
  std::shared_ptr<InitClient> client_;
  UniqueFd init_, end_;
  std::shared_ptr<SandboxSockets> sockets_;
  std::atomic<uint32_t> in_use_ = 0;
  std::thread plays_;
};

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

TEST_F(SandboxWayOutTest, ThereIsASocketForNamesForProxiesAndForEachPort) {
  {
    const auto way = Open(Ports({22, 53, 5432}));
    ASSERT_TRUE(way.ok()) << way.status();
    EXPECT_EQ(std::count(gateway_.roles.begin(), gateway_.roles.end(), EgressRole::kTransparent), 2)
        << "53 is that of names";
    EXPECT_EQ(gateway_.roles.size(), 7u);
    const auto cut = (*way)->Replace(Ports({22, 80}));
    ASSERT_TRUE(cut.ok()) << cut.status();
    EXPECT_EQ(*cut, 3u);
    EXPECT_EQ(gateway_.added, 1u) << "22 is there";
    EXPECT_TRUE(gateway_.policy == Ports({22, 80}));
    EXPECT_TRUE(gateway_.removed.empty());
  }
  EXPECT_EQ(gateway_.removed, std::vector<uint64_t>{7});
}

TEST_F(SandboxWayOutTest, APortOfACommandIsNamedAndThePolicyBeforeHolds) {
  const auto way = Open(Ports({22}));
  ASSERT_TRUE(way.ok()) << way.status();
  in_use_ = 8080;
  const absl::Status refused = (*way)->Replace(Ports({22, 8080})).status();
  EXPECT_EQ(ReasonOf(refused), "PORT_IN_USE") << refused;
  EXPECT_EQ(GetErrorDetail(refused)->metadata["port"], "8080");
  EXPECT_TRUE(gateway_.policy == EgressPolicy());
  EXPECT_EQ(ReasonOf(Open(Ports({8080})).status()), "PORT_IN_USE") << "of a new sandbox likewise";
}

TEST_F(SandboxWayOutTest, ASandboxThatIsTakenOverHasWhatItsCommandsLeft) {
  in_use_ = 80;
  std::string problem;
  const auto way = SandboxWayOut::OpenAgain(&gateway_, ports_, sockets_, Ports({22, 80}), kOwner,
                                            UniqueFd(), nullptr, &problem);
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(gateway_.roles.size(), 6u);
  EXPECT_NE(problem.find("listens at port 80"), std::string::npos) << problem;
  in_use_ = 0;
  EXPECT_TRUE((*way)->Replace(Ports({22, 80})).ok());
  EXPECT_EQ(gateway_.added, 1u) << "it has the port once the command is gone";
}

TEST_F(SandboxWayOutTest, AllPoliciesTogetherHaveALimit) {
  const auto way = Open(Ports(Range(1000, kEgressAllPortsMax)));
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_TRUE((*way)->Replace(Ports(Range(2000, kEgressSocketsMax - kEgressAllPortsMax - 5))).ok());
  EXPECT_EQ(ReasonOf((*way)->Replace(Ports({3000})).status()), "INVALID_FIELD");
  EXPECT_TRUE((*way)->Replace(Ports({1000, 2000})).ok()) << "those that are there are served on";
}

TEST_F(SandboxWayOutTest, WhereEveryPortIsGivenOneSocketIsForAllOfThem) {
  Giver giver;
  ports_ = &giver;
  {
    const auto way = Open(Ports({22, 80}));
    ASSERT_TRUE(way.ok()) << way.status();
    EXPECT_EQ(std::count(gateway_.roles.begin(), gateway_.roles.end(), EgressRole::kTransparent),
              1);
    EXPECT_EQ(gateway_.roles.size(), 6u);
    in_use_ = 8080;
    for (uint32_t first = 1000; first < 1200; first += kEgressAllPortsMax) {
      EXPECT_TRUE((*way)->Replace(Ports(Range(first, kEgressAllPortsMax))).ok());
    }
    EXPECT_TRUE((*way)->Replace(Ports({8080})).ok()) << "a command's port is not needed";
    EXPECT_EQ(gateway_.added, 0u);
    EXPECT_EQ(giver.kept.size(), 1u);
    EXPECT_TRUE(giver.IsHeld());
  }
  EXPECT_FALSE(giver.IsHeld()) << "it ends with the way out";
}

TEST_F(SandboxWayOutTest, WhatIsPromisedAndNotGivenIsAnError) {
  Giver giver;
  giver.gives = false;
  ports_ = &giver;
  const absl::Status refused = Open(Ports({22})).status();
  EXPECT_NE(refused.message().find("the kernel refuses"), std::string::npos) << refused;
  EXPECT_TRUE(gateway_.roles.empty());
}

TEST_F(SandboxWayOutTest, ASandboxThatIsTakenOverHasSocketsForPortsWhereTheyAreNotGiven) {
  Giver giver;
  ports_ = &giver;
  for (const bool names_taken : {false, true}) {
    gateway_.roles.clear();
    gateway_.added = 0;
    giver.gives = names_taken;
    in_use_ = names_taken ? kNamesPort : 0;
    std::string problem;
    const auto way = SandboxWayOut::OpenAgain(&gateway_, ports_, sockets_, Ports({22, 80}), kOwner,
                                              UniqueFd(), nullptr, &problem);
    ASSERT_TRUE(way.ok()) << way.status();
    EXPECT_NE(problem, "");
    EXPECT_EQ(std::count(gateway_.roles.begin(), gateway_.roles.end(), EgressRole::kTransparent), 2)
        << "none at the port of names";
    in_use_ = 0;
    EXPECT_TRUE((*way)->Replace(Ports({22, 8080})).ok());
    EXPECT_EQ(gateway_.added, names_taken ? 3u : 1u) << "the port, and those of names if free now";
  }
  EXPECT_TRUE(giver.kept.empty()) << "nothing is asked for without both sockets";
}

}  // namespace
}  // namespace glovebox

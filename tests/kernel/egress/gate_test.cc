// The daemon's side of the way out, with the real glovebox-egress: policies and sockets reach it,
// records come back, and its death ends no sandbox.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "daemon/egress_authority.h"
#include "daemon/egress_gate.h"
#include "linux/file_io.h"
#include "linux/process.h"
#include "tests/kernel/egress/gate_world.h"
#include "tests/support/must_run.h"

namespace glovebox {
namespace {

constexpr uint16_t kSsh = 22;

EgressPolicy Everything() {
  EgressPolicy policy;
  policy.mode = EgressMode::kFull;
  return policy;
}

// What a gate's records are, in order. The gate may outlive it. Any thread.
class Records {
 public:
  EgressGate::TakeRecord Taker() {
    return [kept = kept_](const EgressRecord& record) {
      absl::MutexLock lock(&kept->mutex);
      kept->all.push_back(record);
    };
  }
  // The first with that outcome, which is waited for, or none.
  std::optional<EgressRecord> Wait(EgressOutcome outcome) {
    absl::MutexLock lock(&kept_->mutex);
    const auto is = [outcome](const EgressRecord& record) { return record.outcome == outcome; };
    const auto there = [&] { return std::any_of(kept_->all.begin(), kept_->all.end(), is); };
    if (!kept_->mutex.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20))) {
      return std::nullopt;
    }
    return *std::find_if(kept_->all.begin(), kept_->all.end(), is);
  }
  size_t size() const {
    absl::MutexLock lock(&kept_->mutex);
    return kept_->all.size();
  }

 private:
  struct Kept {
    absl::Mutex mutex;
    std::vector<EgressRecord> all;
  };
  const std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
};

// Pidfds of this process's children of that name: they are not reaped, so their pids are theirs.
std::vector<UniqueFd> Proxies() {
  std::vector<UniqueFd> found;
  DIR* const tasks = ::opendir("/proc/self/task");
  while (const dirent* const task = ::readdir(tasks)) {
    std::ifstream children(absl::StrCat("/proc/self/task/", task->d_name, "/children"));
    for (pid_t pid = 0; children >> pid;) {
      std::ifstream name(absl::StrCat("/proc/", pid, "/comm"));
      std::string comm;
      if (name >> comm && comm == "glovebox-egress") {
        found.emplace_back(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      }
    }
  }
  ::closedir(tasks);
  return found;
}

class EgressGateTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() == 0) world_ = new GateWorld();
  }
  static void TearDownTestSuite() { delete std::exchange(world_, nullptr); }
  void SetUp() override {
    SKIP_UNLESS(world_ != nullptr, "root");
    EgressSetup setup;
    setup.uid = 65534;
    setup.sandboxes_max = 8;
    setup.connections_max = 256;
    setup.opening_ms = 10'000;
    setup.connect_ms = 5'000;
    setup.idle_ms = 600'000;
    setup.name_servers = 1;
    setup.name_server[0].address[0] = 127;
    setup.name_server[0].address[3] = 1;
    setup.name_server[0].port = 53;
    char folder[] = "/tmp/glovebox-gate-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const auto authority = LoadEgressAuthority(folder);
    ASSERT_TRUE(RemoveTreeAt(AT_FDCWD, folder).ok());
    ASSERT_TRUE(authority.ok()) << authority.status();
    auto parts = MakeEgressParts(setup, *authority, "");
    ASSERT_TRUE(parts.ok()) << parts.status();
    auto gate = EgressGate::Start(*std::move(parts), &log_);
    ASSERT_TRUE(gate.ok()) << gate.status();
    gate_ = *std::move(gate);
  }
  uint64_t Add(const GateSandbox& sandbox, const EgressPolicy& policy, Records* records) {
    const auto number = gate_->Add(policy, "", sandbox.Listeners(), UniqueFd(), records->Taker());
    EXPECT_TRUE(number.ok()) << number.status();
    return number.value_or(0);
  }
  void KillProxy() {
    const std::vector<UniqueFd> proxies = Proxies();
    ASSERT_EQ(proxies.size(), 1u);
    ASSERT_TRUE(SignalPidFd(proxies[0].get(), SIGKILL).ok());
    ASSERT_TRUE(WaitPidFd(proxies[0].get(), 20'000).ok());
  }

  static inline GateWorld* world_ = nullptr;
  const Log log_{LogFormat::kText, LogLevel::kInfo};
  std::unique_ptr<EgressGate> gate_;
};

TEST_F(EgressGateTest, WhatAPolicyAllowsGoesThroughAndIsRecorded) {
  GateSandbox sandbox;
  Records records;
  ASSERT_NE(Add(sandbox, Everything(), &records), 0u);
  {
    const UniqueFd client = sandbox.space.Connect(kOrigin, kSsh);
    ASSERT_TRUE(Echoes(client, "hello"));
  }
  const auto opened = records.Wait(EgressOutcome::kOpened);
  const auto closed = records.Wait(EgressOutcome::kClosed);
  ASSERT_TRUE(opened.has_value() && closed.has_value());
  EXPECT_EQ(opened->host, kOrigin);
  EXPECT_EQ(opened->port, kSsh);
  ASSERT_TRUE(opened->address.has_value());
  EXPECT_EQ(opened->address->Text(), kOrigin);
  EXPECT_EQ(closed->connection, opened->connection);
  EXPECT_EQ(closed->sent_bytes, 5u);
  EXPECT_EQ(closed->received_bytes, 5u);
  EXPECT_EQ(closed->lost, 0u);
}

TEST_F(EgressGateTest, EachSandboxHasItsOwnPolicyAndRecords) {
  GateSandbox open;
  GateSandbox shut;
  Records of_open;
  Records of_shut;
  ASSERT_NE(Add(open, Everything(), &of_open), Add(shut, EgressPolicy(), &of_shut));
  EXPECT_FALSE(Echoes(shut.space.Connect(kOrigin, kSsh), "hello"));
  EXPECT_TRUE(Echoes(open.space.Connect(kOrigin, kSsh), "hello")) << "the control";
  const auto refused = of_shut.Wait(EgressOutcome::kRefused);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->denial, EgressDenial::kNoEgress);
  EXPECT_EQ(refused->host, kOrigin);
  ASSERT_TRUE(of_open.Wait(EgressOutcome::kClosed).has_value());
  EXPECT_EQ(of_open.size(), 2u);
  EXPECT_EQ(of_shut.size(), 1u);
}

TEST_F(EgressGateTest, ANewPolicyCutsWhatItDoesNotAllow) {
  GateSandbox sandbox;
  Records records;
  const uint64_t number = Add(sandbox, Everything(), &records);
  const UniqueFd client = sandbox.space.Connect(kOrigin, kSsh);
  ASSERT_TRUE(Echoes(client, "hello"));
  EXPECT_EQ(gate_->Replace(number, Everything()).value(), 0u);
  EXPECT_TRUE(Echoes(client, "again"));
  EXPECT_EQ(gate_->Replace(number, EgressPolicy()).value(), 1u);
  EXPECT_FALSE(Echoes(client, "no more"));
  const auto closed = records.Wait(EgressOutcome::kClosed);
  ASSERT_TRUE(closed.has_value());
  EXPECT_EQ(closed->denial, EgressDenial::kNoEgress);
}

TEST_F(EgressGateTest, AProxyThatDiesIsFollowedByOneThatHasEverything) {
  GateSandbox open;
  GateSandbox shut;
  Records of_open;
  Records of_shut;
  ASSERT_NE(Add(open, Everything(), &of_open), 0u);
  const uint64_t number = Add(shut, Everything(), &of_shut);
  ASSERT_TRUE(gate_->Replace(number, EgressPolicy()).ok());
  for (int round = 0; round < 3; ++round) {
    const UniqueFd client = open.space.Connect(kOrigin, kSsh);
    ASSERT_TRUE(Echoes(client, "hello")) << round;
    KillProxy();
    EXPECT_FALSE(Echoes(client, "no more")) << "a reset, and no silence";
    // It waits in the backlog for the next one.
    EXPECT_TRUE(Echoes(open.space.Connect(kOrigin, kSsh), "hello")) << round;
    EXPECT_FALSE(Echoes(shut.space.Connect(kOrigin, kSsh), "hello")) << "the latest policy";
  }
}

TEST_F(EgressGateTest, WhatIsSaidWithoutAProxyHoldsWithTheNextOne) {
  GateSandbox before;
  GateSandbox after;
  GateSandbox gone;
  Records records;
  const uint64_t number = Add(before, Everything(), &records);
  const uint64_t removed = Add(gone, Everything(), &records);
  KillProxy();
  // Whether it has been missed yet or not.
  EXPECT_TRUE(gate_->Replace(number, EgressPolicy()).ok());
  ASSERT_NE(Add(after, Everything(), &records), 0u);
  gate_->Remove(removed);
  EXPECT_TRUE(Echoes(after.space.Connect(kOrigin, kSsh), "hello"));
  EXPECT_FALSE(Echoes(before.space.Connect(kOrigin, kSsh), "hello"));
  EXPECT_TRUE(absl::IsNotFound(gate_->Replace(removed, Everything()).status()));
}

TEST_F(EgressGateTest, ARemovedSandboxHasNoConnectionNoSocketAndNoRecord) {
  GateSandbox sandbox;
  Records records;
  const uint64_t number = Add(sandbox, Everything(), &records);
  const UniqueFd client = sandbox.space.Connect(kOrigin, kSsh);
  ASSERT_TRUE(Echoes(client, "hello"));
  gate_->Remove(number);
  const size_t seen = records.size();
  EXPECT_FALSE(Echoes(client, "no more"));
  sandbox.listener.Reset();
  EXPECT_FALSE(sandbox.space.Connect(kOrigin, kSsh).valid()) << "nobody has the listener any more";
  EXPECT_TRUE(absl::IsNotFound(gate_->Replace(number, Everything()).status()));
  gate_->Remove(number);  // as often as one likes
  EXPECT_EQ(records.size(), seen);
}

TEST_F(EgressGateTest, PoliciesThatAreWrongAreRefusedWithTheirReason) {
  GateSandbox sandbox;
  Records records;
  EgressPolicy wrong = Everything();
  wrong.private_ranges_allowed = {"127.0.0.0/8"};
  const auto refused = gate_->Add(wrong, "", sandbox.Listeners(), UniqueFd(), records.Taker());
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
  const uint64_t number = Add(sandbox, Everything(), &records);
  EXPECT_TRUE(absl::IsInvalidArgument(gate_->Replace(number, wrong).status()));
  EXPECT_TRUE(Echoes(sandbox.space.Connect(kOrigin, kSsh), "hello")) << "the one before holds";
}

TEST_F(EgressGateTest, ASocketThatIsNotWhatItsRoleSaysIsRefused) {
  const GateSandbox sandbox;
  Records records;
  const auto add = [&](EgressRole role, UniqueFd socket) {
    std::vector<EgressListener> listeners;
    listeners.push_back({role, std::move(socket)});
    return gate_->Add(Everything(), "", std::move(listeners), UniqueFd(), records.Taker()).status();
  };
  EXPECT_TRUE(absl::IsInvalidArgument(add(EgressRole::kDnsUdp, sandbox.space.Listen(53))));
  EXPECT_TRUE(absl::IsInvalidArgument(add(EgressRole::kDnsTcp, sandbox.space.BindUdp(53))));
  EXPECT_TRUE(absl::IsInvalidArgument(
      add(EgressRole::kTransparent, sandbox.space.Connect("192.0.2.1", kSsh))))
      << "connected, and no listener";
  UniqueFd unix_socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_TRUE(absl::IsInvalidArgument(add(EgressRole::kSocks5, std::move(unix_socket))));
  EXPECT_TRUE(absl::IsInvalidArgument(add(static_cast<EgressRole>(9), sandbox.space.Listen(54))));
  EXPECT_TRUE(absl::IsInvalidArgument(add(EgressRole::kTransparent, UniqueFd())));
  EXPECT_TRUE(add(EgressRole::kDnsUdp, sandbox.space.BindUdp(53)).ok()) << "the control";
}

TEST_F(EgressGateTest, WhatIsNoCountOfBytesIsRefused) {
  const GateSandbox sandbox;
  Records records;
  const auto add = [&](UniqueFd bytes) {
    return gate_->Add(Everything(), "", sandbox.Listeners(), std::move(bytes), records.Taker())
        .status();
  };
  char name[] = "/tmp/glovebox-bytes-XXXXXX";
  UniqueFd file(::mkostemp(name, O_CLOEXEC));
  ASSERT_EQ(::unlink(name), 0);
  ASSERT_EQ(::ftruncate(file.get(), sizeof(EgressBytes) - 1), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(add(UniqueFd(::dup(file.get())))));
  EXPECT_TRUE(absl::IsInvalidArgument(add(sandbox.space.BindUdp(54))));
  ASSERT_EQ(::ftruncate(file.get(), sizeof(EgressBytes)), 0);
  EXPECT_TRUE(add(UniqueFd(::dup(file.get()))).ok()) << "the control";
  EXPECT_TRUE(Echoes(sandbox.space.Connect(kOrigin, kSsh), "hello"));
  EgressBytes counted;
  ASSERT_EQ(::pread(file.get(), &counted, sizeof counted, 0), static_cast<ssize_t>(sizeof counted));
  EXPECT_EQ(counted.sent, 5u);
  EXPECT_EQ(counted.received, 5u);
}

TEST_F(EgressGateTest, OtherNameServersAreTheProxysAndItsSuccessors) {
  const GateSandbox sandbox;
  Records records;
  std::vector<EgressListener> listeners;
  listeners.push_back({EgressRole::kHttpProxy, sandbox.space.Listen(3128)});
  ASSERT_TRUE(gate_->Add(Everything(), "", std::move(listeners), UniqueFd(), records.Taker()).ok());
  const UniqueFd server(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  address.sin_addr.s_addr = htonl(0x7f000002);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto is_asked = [&](const std::string& name) {
    const UniqueFd client = sandbox.space.Connect("127.0.0.1", 3128);
    const std::string words = absl::StrCat("CONNECT ", name, ".example:22 HTTP/1.1\r\nHost: ", name,
                                           ".example:22\r\n\r\n");
    EXPECT_EQ(::send(client.get(), words.data(), words.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(words.size()));
    pollfd entry{server.get(), POLLIN, 0};
    std::string question(512, 0);
    while (::poll(&entry, 1, 20'000) == 1) {
      (void)!::recv(server.get(), question.data(), question.size(), 0);
      if (question.find(name) != std::string::npos) return true;
    }
    return false;
  };
  gate_->SetNameServers({IpAddress::V4(0x7f000002)});
  EXPECT_TRUE(is_asked("now"));
  KillProxy();
  EXPECT_TRUE(is_asked("later"));
}

TEST_F(EgressGateTest, ThereIsAnEndToSandboxesAndTheirSockets) {
  const GateSandbox sandbox;
  Records records;
  const auto sockets = [&](uint32_t count) {
    std::vector<EgressListener> many;
    for (uint32_t i = 0; i < count; ++i)
      many.push_back({EgressRole::kDnsUdp, sandbox.space.BindUdp(0)});
    return many;
  };
  const auto add = [&](std::vector<EgressListener> listeners) {
    return gate_->Add(Everything(), "", std::move(listeners), UniqueFd(), records.Taker());
  };
  EXPECT_TRUE(absl::IsInvalidArgument(add(sockets(kEgressSocketsMax + 1)).status()));
  const auto full = add(sockets(kEgressSocketsMax));
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_TRUE(absl::IsResourceExhausted(add(sockets(1)).status())) << "those of eight sandboxes";
  gate_->Remove(*full);
  uint64_t last = 0;
  for (int i = 0; i < 8; ++i) last = Add(sandbox, Everything(), &records);
  EXPECT_TRUE(absl::IsResourceExhausted(add({}).status()));
  gate_->Remove(last);
  EXPECT_NE(Add(sandbox, Everything(), &records), last) << "a number is never used twice";
}

TEST_F(EgressGateTest, NothingIsLeftWhenItEnds) {
  GateSandbox sandbox;
  Records records;
  (void)Add(sandbox, Everything(), &records);
  const UniqueFd client = sandbox.space.Connect(kOrigin, kSsh);
  ASSERT_TRUE(Echoes(client, "hello"));
  gate_.reset();
  EXPECT_FALSE(Echoes(client, "no more"));
  EXPECT_TRUE(Proxies().empty());
}

}  // namespace
}  // namespace glovebox

// A glovebox-egress that takes its time, hangs, or refuses one while it is given all sandboxes
// again: this program itself plays it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/egress_gate.h"
#include "linux/memfd.h"
#include "tests/support/played_egress.h"

namespace glovebox {
namespace {

constexpr absl::Duration kAnswerWithin = absl::Seconds(4);
constexpr int kSandboxes = 8;
constexpr int kForEver = -1;

// What the test and the proxies share: memory whose descriptor in the test is setup.idle_ms.
struct Stage {
  // Of the next proxy that is given a sandbox: how long each order takes it.
  std::atomic<int> next_takes_ms = 0;
  std::atomic<int> slow_answers = 0;
  std::atomic<uint64_t> refused = 0;  // a sandbox that no later proxy takes
  std::atomic<uint64_t> kept = 0;     // one whose policies are taken; those of others end the proxy
  std::atomic<int> told_of_refused = 0;
  std::atomic<int> told_of_kept = 0;
};
static_assert(std::atomic<int>::is_always_lock_free);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

EgressMessage Refusal(uint32_t sequence, uint64_t sandbox) {
  EgressMessage answer = Answer(sequence, sandbox);
  answer.failed = 1;
  return answer;
}

[[noreturn]] void PlayProxy() {
  const auto number = Hear<EgressSetup>().idle_ms;
  const UniqueFd fd(
      ::open(absl::StrCat("/proc/", ::getppid(), "/fd/", number).c_str(), O_RDWR | O_CLOEXEC));
  const auto memory = SharedMapping::Map(fd.get(), sizeof(Stage));
  if (!memory.ok()) ::_exit(1);
  auto* const stage = reinterpret_cast<Stage*>(memory->data());
  Say(EgressMessage());
  int takes_ms = 0;
  for (bool first = true;; first = false) {
    const auto order = Hear<EgressOrder>();
    const bool replaces = order.kind == EgressOrderKind::kReplacePolicy;
    if (order.sandbox == stage->refused) {
      if (replaces) ++stage->told_of_refused;
      Say(Refusal(order.sequence, order.sandbox));
      continue;
    }
    if (replaces && order.sandbox != stage->kept) ::_exit(0);
    if (replaces) ++stage->told_of_kept;
    if (first) takes_ms = stage->next_takes_ms.exchange(0);
    Say(Event(order.sandbox, takes_ms == 0 ? "quick" : "slow"));
    // Slowness itself: there is no event that it would be waiting for.
    (void)::poll(nullptr, 0, takes_ms);
    if (takes_ms != 0) ++stage->slow_answers;
    Say(Answer(order.sequence, order.sandbox));
  }
}

// What the proxies that were given a sandbox said of themselves, in order.
class Seen {
 public:
  EgressGate::TakeRecord Taker() {
    return [this](const EgressRecord& record) {
      absl::MutexLock lock(&mutex_);
      hosts_.push_back(record.host);
    };
  }
  // Until there are as many; whether those are they.
  bool AreFirst(const std::vector<std::string>& hosts) {
    absl::MutexLock lock(&mutex_);
    const auto are_there = [&] { return hosts_.size() >= hosts.size(); };
    return mutex_.AwaitWithTimeout(absl::Condition(&are_there), absl::Seconds(60)) &&
           std::equal(hosts.begin(), hosts.end(), hosts_.begin());
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> hosts_;
};

class SlowProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    auto fd = MakeFixedSizeMemfd("stage", sizeof(Stage));
    ASSERT_TRUE(fd.ok()) << fd.status();
    fd_ = *std::move(fd);
    auto memory = SharedMapping::Map(fd_.get(), sizeof(Stage));
    ASSERT_TRUE(memory.ok()) << memory.status();
    memory_ = *std::move(memory);
    stage_ = new (memory_.data()) Stage;
    EgressParts parts;
    parts.program.Reset(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    parts.setup.sandboxes_max = kSandboxes;
    parts.setup.idle_ms = static_cast<uint32_t>(fd_.get());
    parts.answer_within = kAnswerWithin;
    auto gate = EgressGate::Start(std::move(parts), &log_);
    ASSERT_TRUE(gate.ok()) << gate.status();
    gate_ = *std::move(gate);
    for (Seen& seen : seen_) {
      const auto number = gate_->Add(EgressPolicy(), "", {}, UniqueFd(), seen.Taker());
      ASSERT_TRUE(number.ok()) << number.status();
      numbers_.push_back(*number);
    }
  }

  // The proxy ends, and its successor needs so long for each sandbox. A caller comes while that has
  // the first one.
  void CallWhileTheNextOneTakes(int takes_ms) {
    stage_->next_takes_ms = takes_ms;
    ASSERT_TRUE(gate_->Replace(numbers_.back(), EgressPolicy()).ok());
    ASSERT_TRUE(seen_[0].AreFirst({"quick", "slow"}));
    gate_->Remove(numbers_[0]);
  }

  UniqueFd fd_;
  SharedMapping memory_;
  Stage* stage_ = nullptr;
  const Log log_{LogFormat::kText, LogLevel::kInfo};
  Seen seen_[kSandboxes];
  std::vector<uint64_t> numbers_;
  std::unique_ptr<EgressGate> gate_;  // ends first
};

TEST_F(SlowProxyTest, OneThatTakesItsTimeForEachSandboxIsReplacedBeforeItHasAll) {
  CallWhileTheNextOneTakes(static_cast<int>(absl::ToInt64Milliseconds(kAnswerWithin / 2)));
  EXPECT_LT(stage_->slow_answers.load(), kSandboxes / 2) << "all in the time of one answer";
  EXPECT_TRUE(seen_[kSandboxes - 1].AreFirst({"quick", "quick"})) << "the next one has them all";
}

TEST_F(SlowProxyTest, OneThatHangsIsReplaced) {
  CallWhileTheNextOneTakes(kForEver);
  EXPECT_EQ(stage_->slow_answers.load(), 0);
  EXPECT_TRUE(seen_[1].AreFirst({"quick", "quick"})) << "which it was never given";
  EXPECT_TRUE(seen_[kSandboxes - 1].AreFirst({"quick", "quick"})) << "the next one has them all";
}

TEST_F(SlowProxyTest, OneThatRefusesASandboxIsNotAskedToChangeItAndServesTheOthers) {
  EgressPolicy policy;
  policy.mode = EgressMode::kAllowList;
  policy.rules.resize(1);
  policy.rules[0].host = "a.example";
  policy.rules[0].scheme = EgressScheme::kHttps;
  policy.rules[0].credential = EgressCredential{"token", "Authorization", "", ""};
  gate_->Remove(numbers_[0]);
  gate_->Remove(numbers_[1]);
  const auto refused = gate_->Add(policy, "ada", {}, UniqueFd(), seen_[0].Taker());
  const auto kept = gate_->Add(policy, "ada", {}, UniqueFd(), seen_[1].Taker());
  ASSERT_TRUE(refused.ok() && kept.ok()) << refused.status() << kept.status();
  stage_->kept = *kept;
  stage_->refused = *refused;
  // Ends the proxy: it was given this one's policy.
  ASSERT_TRUE(gate_->Replace(numbers_.back(), EgressPolicy()).ok());
  // What had its place before, itself, and itself once more: it is given last.
  ASSERT_TRUE(seen_[1].AreFirst({"quick", "quick", "quick"}));
  gate_->SecretChanged("ada", "token");
  EXPECT_EQ(stage_->told_of_refused.load(), 0);
  EXPECT_EQ(stage_->told_of_kept.load(), 1) << "by the proxy that refused the other one";
}

}  // namespace
}  // namespace glovebox

int main(int argc, char** argv) {
  if (glovebox::IsPlayedEgress(argc, argv)) glovebox::PlayProxy();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

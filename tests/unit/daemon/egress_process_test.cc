// A glovebox-egress that lies, hangs or ends: this program itself plays it, as its setup says.
#include "daemon/egress_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/played_egress.h"

namespace glovebox {
namespace {

// What the setup's idle_ms stands for here.
enum Play : uint32_t {
  kHonest,
  kEndsAtOnce,
  kFails,
  kStartsWithAnAnswer,
  kAnswersAnotherOrder,
  kAnswersForAnotherSandbox,
  kLiesInAnEvent,
  kSendsADescriptor,
  kSaysNothing,
  kOnlyEvents,
  kEndsWhenAsked,
  kAnswersUnasked,
  kAnswersWithoutReading,
};

constexpr uint64_t kSandbox = 5;

EgressMessage CuttingAnswer(uint32_t sequence, uint64_t sandbox) {
  EgressMessage answer = Answer(sequence, sandbox);
  answer.connections_cut = 3;
  return answer;
}

void AnswerAs(Play play, const EgressOrder& order) {
  if (play == kAnswersAnotherOrder) return Say(Answer(order.sequence + 1, order.sandbox));
  if (play == kAnswersForAnotherSandbox) return Say(Answer(order.sequence, order.sandbox + 1));
  if (play == kSendsADescriptor) return Say(Answer(order.sequence, order.sandbox), {1});
  if (play == kSaysNothing) return;
  if (play == kEndsWhenAsked) ::_exit(0);
  Say(Event(kSandbox, "good.example"));
  if (play == kLiesInAnEvent) return Say(Event(kSandbox, "good.example\n"));
  while (play == kOnlyEvents) Say(Event(kSandbox, "good.example"));
  Say(CuttingAnswer(order.sequence, order.sandbox));
}

[[noreturn]] void PlayProxy() {
  const auto play = static_cast<Play>(Hear<EgressSetup>().idle_ms);
  EgressMessage first;
  if (play == kEndsAtOnce) ::_exit(3);
  if (play == kStartsWithAnAnswer) first = Answer(0, 0);
  if (play == kFails) {
    first.kind = EgressMessageKind::kFailed;
    std::strcpy(first.text, "no luck");
  }
  Say(first);
  if (play == kAnswersUnasked) Say(Answer(1, kSandbox));
  for (uint32_t i = 1; play == kAnswersWithoutReading; ++i) Say(Answer(i, kSandbox));
  for (;;) AnswerAs(play, Hear<EgressOrder>());
}

struct Played {
  absl::StatusOr<std::unique_ptr<EgressProcess>> proxy;
  std::vector<std::string> hosts;  // of events

  explicit Played(Play play) {
    EgressParts parts;
    parts.program.Reset(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    parts.setup.idle_ms = play;
    proxy = EgressProcess::Start(
        parts, [this](const EgressReport& event) { hosts.push_back(event.record.host); });
  }
  absl::StatusOr<EgressReport> Ask(absl::Duration within = absl::InfiniteDuration()) {
    EXPECT_TRUE(proxy.ok()) << proxy.status();
    if (!proxy.ok()) return proxy.status();
    EgressOrder order;
    order.kind = EgressOrderKind::kRemoveSandbox;
    order.sandbox = kSandbox;
    return (*proxy)->Ask(order, {}, absl::Now() + within);
  }
};

TEST(EgressProcess, AnHonestOneAnswersAndTellsEvents) {
  Played played(kHonest);
  for (int i = 1; i <= 3; ++i) {
    const auto answer = played.Ask();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->connections_cut, 3u);
    EXPECT_EQ(played.hosts, std::vector<std::string>(i, "good.example"));
  }
  EXPECT_EQ((*played.proxy)->End(), "signal 9");
  EXPECT_EQ((*played.proxy)->End(), "it was reaped");
}

TEST(EgressProcess, OneThatDoesNotStartSaysWhy) {
  const Played ended(kEndsAtOnce);
  EXPECT_TRUE(absl::IsInternal(ended.proxy.status()));
  EXPECT_NE(ended.proxy.status().message().find("exit status 3"), absl::string_view::npos)
      << ended.proxy.status();
  const Played failed(kFails);
  EXPECT_NE(failed.proxy.status().message().find("no luck"), absl::string_view::npos)
      << failed.proxy.status();
  EXPECT_TRUE(absl::IsInternal(Played(kStartsWithAnAnswer).proxy.status()));
}

TEST(EgressProcess, AnAnswerToSomethingElseIsNone) {
  EXPECT_TRUE(absl::IsDataLoss(Played(kAnswersAnotherOrder).Ask().status()));
  EXPECT_TRUE(absl::IsDataLoss(Played(kAnswersForAnotherSandbox).Ask().status()));
  EXPECT_TRUE(absl::IsDataLoss(Played(kSendsADescriptor).Ask().status()));
  Played unasked(kAnswersUnasked);
  ASSERT_TRUE(unasked.proxy.ok()) << unasked.proxy.status();
  EXPECT_TRUE(absl::IsDataLoss((*unasked.proxy)->TakeEvent()));
}

TEST(EgressProcess, AnEventOfAnotherFormIsTakenForALie) {
  Played played(kLiesInAnEvent);
  EXPECT_TRUE(absl::IsDataLoss(played.Ask().status()));
  EXPECT_EQ(played.hosts.size(), 1u) << "the one before it was an event";
}

TEST(EgressProcess, OneThatDoesNotAnswerIsNotWaitedForForEver) {
  const absl::Duration soon = absl::Milliseconds(300);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Played(kSaysNothing).Ask(soon).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(Played(kOnlyEvents).Ask(soon).status()))
      << "events are no answer";
  EXPECT_TRUE(absl::IsUnavailable(Played(kEndsWhenAsked).Ask().status()));
}

// What is sent to it piles up until the socket is full.
TEST(EgressProcess, OneThatAnswersWithoutReadingIsNotWaitedForForEver) {
  Played played(kAnswersWithoutReading);
  absl::StatusOr<EgressReport> answer = played.Ask();
  EXPECT_TRUE(answer.ok()) << answer.status();
  for (int i = 0; i < 100'000 && answer.ok(); ++i) answer = played.Ask();
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
}

}  // namespace
}  // namespace glovebox

int main(int argc, char** argv) {
  if (glovebox::IsPlayedEgress(argc, argv)) glovebox::PlayProxy();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

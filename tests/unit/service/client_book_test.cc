#include "service/client_book.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/status.h"

namespace glovebox {
namespace {

class SetClock final : public Clock {
 public:
  int64_t MonotonicNanos() const override { return now_ns; }
  absl::Time Now() const override { return absl::FromUnixNanos(now_ns); }
  int64_t now_ns = 1;
};

Caller Client(const char* principal, bool admin = false) {
  Caller caller;
  caller.principal = principal;
  caller.admin = admin;
  return caller;
}

std::string QuotaIn(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  if (!absl::IsResourceExhausted(status) || !detail.has_value()) return "none";
  return detail->reason + " " + detail->metadata.at("quota");
}

class ClientBookTest : public ::testing::Test {
 protected:
  static ClientQuota Small() {
    ClientQuota quota;
    quota.requests_per_second = 10;
    quota.creates_per_second = 2;
    quota.calls_at_once_max = 3;
    quota.open_streams_max = 1;
    quota.transfers_at_once_max = 2;
    quota.running_execs_max = 2;
    return quota;
  }
  SetClock clock_;
  ClientBook book_{Small(), &clock_};
  const Caller a_ = Client("uid:1"), b_ = Client("uid:2"), root_ = Client("uid:0", true);
};

TEST_F(ClientBookTest, ABurstOfTwoSecondsIsTakenAndThenTheRateHolds) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(book_.Admit(a_, CallKind::kCall).ok()) << i;
  const absl::Status refused = book_.Admit(a_, CallKind::kCall).status();
  EXPECT_EQ(QuotaIn(refused), "CLIENT_RATE requests_per_second");
  EXPECT_EQ(GetErrorDetail(refused)->metadata.at("retry_after_ms"), "100");
  clock_.now_ns += 100'000'000;
  EXPECT_TRUE(book_.Admit(a_, CallKind::kCall).ok());
  EXPECT_EQ(QuotaIn(book_.Admit(a_, CallKind::kCall).status()), "CLIENT_RATE requests_per_second");
  EXPECT_EQ(book_.TakeRefused(a_), 2U);
  EXPECT_EQ(book_.TakeRefused(a_), 0U);
}

TEST_F(ClientBookTest, OneClientsRefusalsAreNotAnothers) {
  while (book_.Admit(a_, CallKind::kCall).ok()) {
  }
  EXPECT_TRUE(book_.Admit(b_, CallKind::kCall).ok());
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(book_.Admit(root_, CallKind::kCall).ok());
}

TEST_F(ClientBookTest, WhatIsInHandIsCountedByKindAndGivenBack) {
  std::vector<ClientBook::Ticket> held;
  for (int i = 0; i < 3; ++i) held.push_back(*book_.Admit(a_, CallKind::kCall));
  EXPECT_EQ(QuotaIn(book_.Admit(a_, CallKind::kCall).status()), "CLIENT_QUOTA calls_at_once_max");
  held.push_back(*book_.Admit(a_, CallKind::kStream));
  EXPECT_EQ(QuotaIn(book_.Admit(a_, CallKind::kStream).status()), "CLIENT_QUOTA open_streams_max");
  EXPECT_TRUE(book_.Admit(a_, CallKind::kTransfer).ok());
  EXPECT_TRUE(book_.Admit(b_, CallKind::kStream).ok());
  held.erase(held.begin());
  EXPECT_TRUE(book_.Admit(a_, CallKind::kCall).ok());
}

TEST_F(ClientBookTest, AnAnsweredCallLeavesRoomForTheNextOne) {
  ClientBook::Ticket first = *book_.Admit(a_, CallKind::kStream);
  first.Answered();
  first.Answered();
  EXPECT_TRUE(book_.Admit(a_, CallKind::kStream).ok()) << "its client may have the answer already";
}

// Or a client that takes no answer would have any number of them kept here.
TEST_F(ClientBookTest, AnswersThatNobodyTakesAreCountedToo) {
  std::vector<ClientBook::Ticket> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(*book_.Admit(a_, CallKind::kTransfer));
    held.back().Answered();
  }
  EXPECT_EQ(QuotaIn(book_.Admit(a_, CallKind::kTransfer).status()),
            "CLIENT_QUOTA transfers_at_once_max");
  EXPECT_TRUE(book_.Admit(a_, CallKind::kStream).ok()) << "kinds are counted apart";
  held.erase(held.begin());
  EXPECT_EQ(QuotaIn(book_.Admit(a_, CallKind::kTransfer).status()),
            "CLIENT_QUOTA transfers_at_once_max")
      << "two answered ones are in hand as long as others fill the room of the answered";
  held.clear();
  std::vector<ClientBook::Ticket> again;
  for (int i = 0; i < 2; ++i) again.push_back(*book_.Admit(a_, CallKind::kTransfer));
  EXPECT_EQ(QuotaIn(book_.Admit(a_, CallKind::kTransfer).status()),
            "CLIENT_QUOTA transfers_at_once_max");
}

TEST_F(ClientBookTest, CreationsHaveARateOfTheirOwn) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(book_.AdmitCreation(a_).ok()) << i;
  EXPECT_EQ(QuotaIn(book_.AdmitCreation(a_)), "CLIENT_RATE creates_per_second");
  EXPECT_TRUE(book_.AdmitCreation(b_).ok());
  EXPECT_TRUE(book_.Admit(a_, CallKind::kCall).ok());
}

TEST_F(ClientBookTest, CommandsThatStartAtOnceNeverExceedTheQuota) {
  const auto one = [] { return uint64_t{1}; };
  const auto first = book_.AdmitExec(a_, one);
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(QuotaIn(book_.AdmitExec(a_, one).status()), "CLIENT_QUOTA running_execs_max");
  EXPECT_TRUE(book_.AdmitExec(b_, one).ok());
  EXPECT_TRUE(book_.AdmitExec(root_, [] { return uint64_t{1} << 40; }).ok());
}

// What is forgotten of idle clients must not be what another may not have yet.
TEST_F(ClientBookTest, WhoHoldsSomethingIsNotForgottenHoweverManyClientsCome) {
  const absl::StatusOr<ClientBook::Ticket> held = book_.Admit(a_, CallKind::kStream);
  ASSERT_TRUE(held.ok());
  for (int i = 0; i < 20'000; ++i) {
    EXPECT_TRUE(book_.Admit(Client(("cert:" + std::to_string(i)).c_str()), CallKind::kCall).ok());
    clock_.now_ns += 1'000'000;
  }
  EXPECT_EQ(QuotaIn(book_.Admit(a_, CallKind::kStream).status()), "CLIENT_QUOTA open_streams_max");
}

}  // namespace
}  // namespace glovebox

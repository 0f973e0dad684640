// WatchConnections over a real socket: the log is filled by hand, as no sandbox is made.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "glovebox/v1/network.grpc.pb.h"
#include "wire_fixture.h"

namespace glovebox {
namespace {

// One call. Ended by what it is that the test asks of it.
class Watch {
 public:
  Watch(v1::NetworkService::Stub& stub, const v1::WatchConnectionsRequest& request)
      : reader_(stub.WatchConnections(&context_, request)) {}

  // Returns when the watch stands, or has failed.
  void AwaitStand() { reader_->WaitForInitialMetadata(); }
  std::optional<v1::WatchConnectionsResponse> Next() {
    v1::WatchConnectionsResponse message;
    if (!reader_->Read(&message)) return std::nullopt;
    return message;
  }
  std::string NextHost() {
    const auto message = Next();
    return message.has_value() ? message->record().host() : "the end";
  }
  void Cancel() { context_.TryCancel(); }
  grpc::Status Finish() { return reader_->Finish(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchConnectionsResponse>> reader_;
};

class WatchConnectionsTest : public WireTest {
 protected:
  void SetUp() override {
    WireTest::SetUp();
    stub_ = v1::NetworkService::NewStub(Connect());
    connections_.Open("a", "uid:1");
  }
  void Add(const std::string& host) {
    EgressRecord record;
    record.outcome = EgressOutcome::kRefused;
    record.denial = EgressDenial::kNoRule;
    record.host = host;
    connections_.Add("a", "build", record);
  }
  static v1::WatchConnectionsRequest From(const std::string& cursor) {
    v1::WatchConnectionsRequest request;
    request.set_cursor(cursor);
    return request;
  }

  std::unique_ptr<v1::NetworkService::Stub> stub_;
};

TEST_F(WatchConnectionsTest, WhatComesIsToldAsItComes) {
  Add("before");
  Watch watch(*stub_, {});
  watch.AwaitStand();
  Add("first");
  const auto first = watch.Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->record().host(), "first");
  EXPECT_EQ(first->record().exec_id(), "build");
  EXPECT_EQ(first->record().denial_reason(), v1::DENIAL_REASON_NO_RULE);
  Add("second");
  EXPECT_EQ(watch.NextHost(), "second");
  Watch again(*stub_, From(first->record().cursor()));
  EXPECT_EQ(again.NextHost(), "second");
  Watch all(*stub_, From(""));
  EXPECT_EQ(all.NextHost(), "before");
  for (Watch* const one : {&watch, &again, &all}) {
    one->Cancel();
    while (one->Next().has_value()) {
    }
    EXPECT_EQ(one->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

TEST_F(WatchConnectionsTest, WithoutFollowingItEndsWithWhatThereIs) {
  Add("x");
  v1::WatchConnectionsRequest request = From("");
  request.set_no_follow(true);
  Watch watch(*stub_, request);
  EXPECT_EQ(watch.NextHost(), "x");
  EXPECT_FALSE(watch.Next().has_value());
  EXPECT_TRUE(watch.Finish().ok());
  Watch earlier(*stub_, [&] {
    request.set_cursor("n1.beef.7");
    return request;
  }());
  const auto fresh = earlier.Next();
  ASSERT_TRUE(fresh.has_value());
  EXPECT_TRUE(fresh->fresh_instance());
  EXPECT_EQ(earlier.NextHost(), "x");
  EXPECT_FALSE(earlier.Next().has_value());
  EXPECT_TRUE(earlier.Finish().ok());
}

TEST_F(WatchConnectionsTest, ErrorsHaveTheirReasons) {
  Watch wrong(*stub_, From("no cursor"));
  EXPECT_FALSE(wrong.Next().has_value());
  const grpc::Status status = wrong.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(InfoOf(status).reason(), "CURSOR_INVALID");
  v1::WatchConnectionsRequest nowhere;
  nowhere.set_sandbox_id(std::string(32, 'a'));
  Watch missing(*stub_, nowhere);
  EXPECT_FALSE(missing.Next().has_value());
  EXPECT_EQ(InfoOf(missing.Finish()).reason(), "SANDBOX_NOT_FOUND");
}

TEST_F(WatchConnectionsTest, AClientThatGoesGivesItsPlaceBack) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Watch>> watches;
    for (int i = 0; i < 4; ++i) {
      watches.push_back(std::make_unique<Watch>(*stub_, v1::WatchConnectionsRequest()));
      watches.back()->AwaitStand();
    }
    Watch refused(*stub_, {});
    EXPECT_FALSE(refused.Next().has_value());
    EXPECT_EQ(InfoOf(refused.Finish()).reason(), "WATCH_LIMIT");
    const size_t ended = observer_.ends().size();
    for (const auto& watch : watches) watch->Cancel();
    for (const auto& watch : watches) (void)watch->Finish();
    observer_.AwaitEnds(ended + watches.size());
  }
}

TEST_F(WatchConnectionsTest, AClientThatDoesNotReadHoldsNothingUpAndIsToldWhatItMissed) {
  Watch slow(*stub_, {});
  slow.AwaitStand();
  constexpr uint64_t kRecords = 20'000;
  for (uint64_t i = 0; i < kRecords; ++i) Add(std::string(200, 'x'));
  Add("last");
  uint64_t told = 0;
  uint64_t lost = 0;
  while (true) {
    const auto message = slow.Next();
    ASSERT_TRUE(message.has_value());
    lost += message->lost_count();
    if (message->has_record() && message->record().host() == "last") break;
    told += message->has_record() ? 1 : 0;
  }
  EXPECT_EQ(told + lost, kRecords);
  EXPECT_GT(lost, 0);
  slow.Cancel();
  (void)slow.Finish();
}

TEST_F(WatchConnectionsTest, TheDaemonsEndIsNoEndOfTheSandbox) {
  Watch watch(*stub_, {});
  watch.AwaitStand();
  connections_.End(DetailedError(absl::StatusCode::kUnavailable, "ends", {"SHUTTING_DOWN", {}}));
  connections_.Close("a");
  EXPECT_FALSE(watch.Next().has_value());
  const grpc::Status status = watch.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(InfoOf(status).reason(), "SHUTTING_DOWN");
}

}  // namespace
}  // namespace glovebox

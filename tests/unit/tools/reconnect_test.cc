#include "tools/glovebox/reconnect.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace glovebox {
namespace {

absl::Status WithReason(absl::StatusCode code, const char* reason) {
  return DetailedError(code, "why", {reason, {}});
}

bool Unwaited(absl::Duration /*time*/) { return true; }

TEST(BackoffTest, WaitsGrowToHalfASecondAndAreNeverInStep) {
  Backoff one(1);
  Backoff other(2);
  bool differ = false;
  absl::Duration middle = absl::Milliseconds(50);
  for (int i = 0; i < 20; ++i) {
    const absl::Duration wait = one.Next();
    EXPECT_GE(wait, middle * 0.5) << i;
    EXPECT_LE(wait, middle * 1.5) << i;
    differ = differ || wait != other.Next();
    middle = std::min(middle * 2, absl::Milliseconds(500));
  }
  EXPECT_TRUE(differ);
  one.Reset();
  EXPECT_LE(one.Next(), absl::Milliseconds(75));
}

TEST(ReconnectTest, PatienceComesFromTheOptionThenTheEnvironmentThenTheDefault) {
  EXPECT_EQ(BuildReconnectPolicy({}, nullptr)->patience, absl::Seconds(60));
  EXPECT_EQ(BuildReconnectPolicy({}, "")->patience, absl::Seconds(60));
  EXPECT_EQ(BuildReconnectPolicy({}, "5s")->patience, absl::Seconds(5));
  EXPECT_EQ(BuildReconnectPolicy({false, "2m"}, "5s")->patience, absl::Minutes(2));
  EXPECT_EQ(BuildReconnectPolicy({true, ""}, "5s")->patience, absl::ZeroDuration());
  EXPECT_FALSE(BuildReconnectPolicy({}, "soon").ok());
  EXPECT_FALSE(BuildReconnectPolicy({false, "soon"}, nullptr).ok());
}

TEST(ReconnectTest, TheCommandWaitsAsLongAsTheClientWasToldToTry) {
  v1::ExecSpec spec;
  HoldWhileAway(*BuildReconnectPolicy({}, nullptr), &spec);
  EXPECT_EQ(spec.output_policy(), v1::OUTPUT_POLICY_BACK_PRESSURE);
  EXPECT_FALSE(spec.has_hold_time()) << "the daemon's own";
  HoldWhileAway(*BuildReconnectPolicy({false, "2m"}, nullptr), &spec);
  EXPECT_EQ(spec.hold_time().seconds(), 120);
  HoldWhileAway(*BuildReconnectPolicy({}, "100ms"), &spec);
  EXPECT_EQ(spec.hold_time().seconds(), 1);
  HoldWhileAway(*BuildReconnectPolicy({false, "3h"}, nullptr), &spec);
  EXPECT_EQ(spec.hold_time().seconds(), 600) << "the most there is";
}

TEST(ReconnectTest, OnlyWhatAnotherTryCanMendIsTriedAgain) {
  EXPECT_TRUE(IsConnectionTrouble(absl::UnavailableError("gone")));
  EXPECT_TRUE(IsConnectionTrouble(WithReason(absl::StatusCode::kUnavailable, "SHUTTING_DOWN")));
  EXPECT_TRUE(IsConnectionTrouble(WithReason(absl::StatusCode::kCancelled, "CALL_CANCELLED")));
  EXPECT_TRUE(
      IsConnectionTrouble(WithReason(absl::StatusCode::kResourceExhausted, "TOO_MANY_CALLS")));
  EXPECT_TRUE(IsConnectionTrouble(absl::InternalError("RST_STREAM")));
  EXPECT_TRUE(
      IsConnectionTrouble(absl::ResourceExhaustedError("Received RST_STREAM with error code 11")));
  EXPECT_FALSE(IsConnectionTrouble(absl::ResourceExhaustedError("message larger than max")));
  EXPECT_FALSE(IsConnectionTrouble(WithReason(absl::StatusCode::kInternal, "OUTPUT_CORRUPT")));
  EXPECT_FALSE(IsConnectionTrouble(WithReason(absl::StatusCode::kResourceExhausted, "HOST_FULL")));
  EXPECT_FALSE(IsConnectionTrouble(WithReason(absl::StatusCode::kNotFound, "EXEC_NOT_FOUND")));
  EXPECT_FALSE(IsConnectionTrouble(absl::OkStatus()));
}

TEST(ReconnectTest, WithoutPatienceTheFirstFailureIsTheLast) {
  CallControl control;
  int attempts = 0;
  const absl::Status status = Persist({absl::ZeroDuration()}, control, Unwaited, [&] {
    ++attempts;
    return absl::UnavailableError("gone");
  });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(attempts, 1);
}

TEST(ReconnectTest, APersistentCallEndsWithTheFirstRealAnswer) {
  CallControl control;
  int attempts = 0;
  const absl::Status status = Persist({}, control, Unwaited, [&] {
    return ++attempts < 3 ? absl::UnavailableError("gone") : absl::NotFoundError("no such");
  });
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(attempts, 3);
}

TEST(ReconnectTest, ACancelledCallIsNotTriedAgain) {
  CallControl control;
  const absl::Status status = Persist({}, control, Unwaited, [&] {
    control.Cancel();
    return absl::UnavailableError("gone");
  });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

}  // namespace
}  // namespace glovebox

#include "tools/glovebox/reconnect.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

constexpr absl::Duration kFirstWait = absl::Milliseconds(50);
constexpr absl::Duration kLongestWait =
    absl::Milliseconds(500);  // a connection to a socket costs little
constexpr absl::Duration kCancelledWithin = absl::Milliseconds(50);
constexpr absl::Duration kQuietFor = absl::Seconds(1);
constexpr int64_t kHoldSecondsMax = 600;  // of ExecSpec.hold_time
constexpr int kDoublingsMax = 10;
constexpr char kVariable[] = "GLOVEBOX_RECONNECT_FOR";

}  // namespace

void AddReconnectOptions(Verb verb, ReconnectOptions& options) {
  verb.AddFlag("--no-reconnect", options.none, "Fail when the connection to the daemon breaks");
  verb.AddOption("--reconnect-for", options.patience,
                 absl::StrCat("How long to try again when it breaks (", kVariable, "; 60s)"))
      .TypeName("TIME");
}

absl::StatusOr<ReconnectPolicy> BuildReconnectPolicy(const ReconnectOptions& options,
                                                     const char* environment) {
  if (options.none) return ReconnectPolicy{absl::ZeroDuration()};
  const bool typed = !options.patience.empty();
  if (!typed && (environment == nullptr || *environment == '\0')) return ReconnectPolicy{};
  const absl::StatusOr<absl::Duration> patience =
      ParseTimeout(typed ? options.patience : std::string(environment));
  if (!patience.ok()) {
    return Annotate(patience.status(), typed ? "--reconnect-for" : kVariable);
  }
  return ReconnectPolicy{*patience, /*chosen=*/true};
}

void HoldWhileAway(const ReconnectPolicy& policy, v1::ExecSpec* spec) {
  spec->set_output_policy(v1::OUTPUT_POLICY_BACK_PRESSURE);
  if (!policy.chosen) return;
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(policy.patience, absl::Seconds(1)));
  spec->mutable_hold_time()->set_seconds(std::min(seconds, kHoldSecondsMax));
}

absl::StatusOr<ReconnectPolicy> ReconnectPolicyOf(const ReconnectOptions& options) {
  return BuildReconnectPolicy(options, std::getenv(kVariable));
}

absl::Duration Backoff::Next() {
  const absl::Duration wait =
      std::min(kFirstWait * (1 << std::min(tries_, kDoublingsMax)), kLongestWait);
  ++tries_;
  return wait * std::uniform_real_distribution<double>(0.5, 1.5)(random_);
}

bool IsConnectionTrouble(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  const bool ours = detail.has_value() && !detail->reason.empty();  // else gRPC's own words
  // CANCELLED is not by us: that is looked at before.
  if (absl::IsUnavailable(status) || absl::IsCancelled(status)) return true;
  if (absl::IsResourceExhausted(status)) {
    // RST_STREAM with ENHANCE_YOUR_CALM (RFC 9113, 7): the daemon's buffers were full.
    const bool reset = absl::StrContains(status.message(), "RST_STREAM with error code 11");
    return ours ? detail->reason == "TOO_MANY_CALLS" : reset;
  }
  return (absl::IsInternal(status) || absl::IsUnknown(status)) && !ours;
}

absl::StatusOr<absl::Duration> Outage::Failed(const absl::Status& why) {
  const absl::Time now = absl::Now();
  since_ = std::min(since_, now);
  const absl::Duration left = since_ + policy_.patience - now;
  if (left <= absl::ZeroDuration()) {
    if (policy_.patience == absl::ZeroDuration()) return why;
    return Annotate(
        why, absl::StrCat("no connection to the daemon for ", FormatSeconds(policy_.patience)));
  }
  if (!noted_ && now - since_ >= kQuietFor) {
    noted_ = true;
    Note(absl::StrCat("the connection to the daemon is lost; trying again for ",
                      FormatSeconds(absl::Trunc(left, absl::Seconds(1)))));
  }
  return std::min(backoff_.Next(), left);
}

bool Outage::Mended() {
  const bool was_broken = since_ != absl::InfiniteFuture();
  if (noted_) Note("the connection to the daemon is back");
  since_ = absl::InfiniteFuture();
  noted_ = false;
  backoff_.Reset();
  return was_broken;
}

bool WaitToTryAgain(Connection& connection, CallControl& control, absl::Duration time) {
  if (connection.connected()) return control.Wait(time);  // the trouble is another one
  const absl::Time until = absl::Now() + time;
  while (!control.cancelled() && absl::Now() < until) {
    if (connection.HelpToConnect(std::min(until - absl::Now(), kCancelledWithin))) break;
  }
  return !control.cancelled();
}

absl::Status Persist(ReconnectPolicy policy, Connection& connection, CallControl& control,
                     const std::function<absl::Status()>& attempt) {
  return Persist(
      policy, control,
      [&](absl::Duration time) { return WaitToTryAgain(connection, control, time); }, attempt);
}

absl::Status Persist(ReconnectPolicy policy, CallControl& control,
                     const std::function<bool(absl::Duration)>& wait,
                     const std::function<absl::Status()>& attempt) {
  Outage outage(policy);
  while (true) {
    absl::Status status = attempt();
    if (control.cancelled()) return absl::CancelledError("cancelled");
    if (!IsConnectionTrouble(status)) {
      (void)outage.Mended();  // for its note
      return status;
    }
    const absl::StatusOr<absl::Duration> pause = outage.Failed(status);
    if (!pause.ok()) return pause.status();
    if (!wait(*pause)) return absl::CancelledError("cancelled");
  }
}

}  // namespace glovebox

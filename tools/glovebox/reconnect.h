// What a client does when its connection breaks: tries again for a while, ever more rarely, never
// in step with others.
#ifndef GLOVEBOX_TOOLS_RECONNECT_H_
#define GLOVEBOX_TOOLS_RECONNECT_H_

#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "glovebox/v1/exec.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/verb.h"

namespace glovebox {

struct ReconnectPolicy {
  absl::Duration patience = absl::Seconds(60);  // from the break on; zero: not at all
  bool chosen = false;                          // by the option or the variable
};

// As typed.
struct ReconnectOptions {
  bool none = false;
  std::string patience;  // "": GLOVEBOX_RECONNECT_FOR, else 60s
};

void AddReconnectOptions(Verb verb, ReconnectOptions& options);

// INVALID_ARGUMENT naming the option or variable. `environment` is GLOVEBOX_RECONNECT_FOR, null
// when it is not set. Pure.
absl::StatusOr<ReconnectPolicy> BuildReconnectPolicy(const ReconnectOptions& options,
                                                     const char* environment);

// The same with this process's environment.
absl::StatusOr<ReconnectPolicy> ReconnectPolicyOf(const ReconnectOptions& options);

// We read all of the command's output: it waits for us rather than losing any, and as long as we
// try to come back (by default the daemon's own hold time is as long).
void HoldWhileAway(const ReconnectPolicy& policy, v1::ExecSpec* spec);

// Waits between tries: 50 ms, doubled up to 500 ms, each of them times 0.5 to 1.5 by chance. Not
// thread-safe.
class Backoff {
 public:
  explicit Backoff(uint32_t seed = std::random_device()()) : random_(seed) {}
  absl::Duration Next();
  void Reset() { tries_ = 0; }

 private:
  std::minstd_rand random_;
  int tries_ = 0;
};

// Whether the call failed because there was nobody to answer it, so that the same call can succeed
// later: the daemon went away, is restarted, or has too many calls in hand.
bool IsConnectionTrouble(const absl::Status& status);

// One break of a connection, from its beginning until it is mended: how long to wait before the
// next try, and what to tell the person meanwhile. Not thread-safe.
class Outage {
 public:
  explicit Outage(ReconnectPolicy policy) : policy_(policy) {}

  // After a failure. How long to wait before the next try; nothing when it is time to give up. Says
  // so on stderr, once, when the outage has lasted for a second.
  absl::StatusOr<absl::Duration> Failed(const absl::Status& why);
  // After a success. True when there was an outage before.
  bool Mended();

 private:
  const ReconnectPolicy policy_;
  Backoff backoff_;
  absl::Time since_ = absl::InfiniteFuture();
  bool noted_ = false;
};

// Between two tries: returns after `time`, earlier when a broken connection is there again, or with
// false when cancelled.
bool WaitToTryAgain(Connection& connection, CallControl& control, absl::Duration time);

// Makes `attempt` until its answer is no connection trouble, for as long as the policy allows and
// `control` is not cancelled, with a `wait` (WaitToTryAgain) between. For calls that are safe to
// retry.
absl::Status Persist(ReconnectPolicy policy, CallControl& control,
                     const std::function<bool(absl::Duration)>& wait,
                     const std::function<absl::Status()>& attempt);
absl::Status Persist(ReconnectPolicy policy, Connection& connection, CallControl& control,
                     const std::function<absl::Status()>& attempt);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_RECONNECT_H_

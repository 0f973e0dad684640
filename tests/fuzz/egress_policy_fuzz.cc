// A policy as it is kept and sent: what is read is written again as the same, and what compiles
// allows no address that is not for everyone.
#include "base/status.h"
#include "egress/egress_policy_wire.h"
#include "policy/egress_rules.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzEgressPolicy(absl::string_view input) {
  const auto policy = DecodeEgressPolicy(input);
  if (!policy.ok()) {
    Demand(absl::IsDataLoss(policy.status()), "what is of another form is a loss");
    return;
  }
  const auto again = DecodeEgressPolicy(EncodeEgressPolicy(*policy));
  Demand(again.ok() && *again == *policy, "what was read is written as it was");
  const auto rules = EgressRules::Compile(*policy);
  if (!rules.ok()) {
    Demand(GetErrorDetail(rules.status()).has_value(), "a policy that is wrong has a reason");
    return;
  }
  Demand(rules->mode() == EgressMode::kNone || rules->mode() == EgressMode::kAllowList ||
             rules->mode() == EgressMode::kFull,
         "a mode that there is");
  Demand(rules->limits().connections_max <= kEgressConnectionsMax, "connections have a limit");
  for (const char* never : {"127.0.0.1", "169.254.169.254", "::1", "fe80::1", "0.0.0.0"}) {
    Demand(rules->JudgeAddress(IpAddress::Parse(never).value()) != EgressDenial::kNone,
           "this host and its neighbours are out of reach");
  }
}

}  // namespace glovebox

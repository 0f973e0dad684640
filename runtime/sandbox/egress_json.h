// An egress policy as JSON text, for records.
#ifndef GLOVEBOX_SANDBOX_EGRESS_JSON_H_
#define GLOVEBOX_SANDBOX_EGRESS_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/egress_policy.h"

namespace glovebox {

// Equal policies have equal texts.
std::string FormatEgress(const EgressPolicy& policy);

// DATA_LOSS with reason STATE_DB_DAMAGED for what is not of that form: a policy is read as a whole,
// so that nothing is allowed which was not.
absl::StatusOr<EgressPolicy> ParseEgress(absl::string_view json);

// Of a policy, for callers who change it only if it is still the one that they have read.
std::string EgressEtag(const EgressPolicy& policy);

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_EGRESS_JSON_H_

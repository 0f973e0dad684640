// Egress policies and records of connections between proto and domain.
#ifndef GLOVEBOX_SERVICE_CONVERT_EGRESS_H_
#define GLOVEBOX_SERVICE_CONVERT_EGRESS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/network.pb.h"
#include "policy/egress_policy.h"
#include "sandbox/connection_log.h"

namespace glovebox {

// A policy that EgressRules::Compile takes. Its errors name `field` and what is wrong in it, as
// "egress.rules[3].host"; so do unknown values of enums.
absl::StatusOr<EgressPolicy> FromProto(const v1::EgressPolicy& proto, absl::string_view field);

// Limits are said where there are any; a scheme is always said.
v1::EgressPolicy ToProto(const EgressPolicy& policy);

v1::ConnectionRecord ToProto(const LoggedConnection& connection);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CONVERT_EGRESS_H_

// A policy on its way from the daemon to the proxy: v1.EgressPolicy's fields in the format of
// Protocol Buffers, without the library; and the secrets that its rules name.
#ifndef GLOVEBOX_EGRESS_EGRESS_POLICY_WIRE_H_
#define GLOVEBOX_EGRESS_EGRESS_POLICY_WIRE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/egress_policy.h"
#include "policy/secret_value.h"

namespace glovebox {

// The largest policy that compiles is smaller: rules and paths are counted.
inline constexpr size_t kEgressPolicyBytesMax = size_t{4} << 20;

std::string EncodeEgressPolicy(const EgressPolicy& policy, const EgressSecrets& secrets = {});

// DATA_LOSS for what EncodeEgressPolicy does not write. Whether the policy makes sense is for
// EgressRules::Compile.
absl::StatusOr<EgressPolicy> DecodeEgressPolicy(absl::string_view bytes,
                                                EgressSecrets* secrets = nullptr);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_EGRESS_POLICY_WIRE_H_

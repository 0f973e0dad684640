// What a sandbox may reach, as it was asked for: v1.EgressPolicy as values. egress_rules.h checks
// and decides.
#ifndef GLOVEBOX_POLICY_EGRESS_POLICY_H_
#define GLOVEBOX_POLICY_EGRESS_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace glovebox {

// Numbers of v1.EgressMode.
enum class EgressMode : uint32_t { kNone = 1, kAllowList = 2, kFull = 3 };

// Numbers of v1.EgressScheme.
enum class EgressScheme : uint32_t { kTcp = 1, kHttp = 2, kTls = 3, kHttps = 4 };

// Numbers of v1.DenialReason.
enum class EgressDenial : uint32_t {
  kNone = 0,
  kNoEgress = 1,
  kNoRule = 2,
  kRequestNotAllowed = 3,
  kPrivateAddress = 4,
  kNameMismatch = 5,
  kLimit = 6,
  kOriginNotTrusted = 8,  // the certificate of a host whose TLS is opened
  kSecretMissing = 9,     // of the rule's credential
};
// Numbers from elsewhere; 7 is of v1.DenialReason alone.
constexpr bool IsEgressDenial(uint32_t number) { return number <= 9 && number != 7; }

// A secret that is added to requests outside of the sandbox: as the value of `header`, behind
// `prefix`, or as the password of `basic_user`. The policy has its name alone.
struct EgressCredential {
  std::string secret_name;
  std::string header;
  std::string basic_user;
  std::string prefix;
  friend bool operator==(const EgressCredential&, const EgressCredential&) = default;
};

struct EgressRule {
  std::string name;             // shown in records; empty: the host
  std::string host;             // HostPattern
  std::vector<uint32_t> ports;  // empty: 80 of HTTP, 443 of TLS and HTTPS; TCP has to name them
  EgressScheme scheme = EgressScheme::kTcp;
  std::vector<std::string> methods;  // empty: all
  std::vector<std::string> paths;    // PathPattern; empty: all
  std::optional<EgressCredential> credential;
  friend bool operator==(const EgressRule&, const EgressRule&) = default;
};

// Of all connections of a sandbox together.
struct EgressLimits {
  uint32_t connections_max = 256;
  uint32_t connections_per_second = 100;  // twice as many in a burst
  uint64_t sent_bytes_max = UINT64_MAX;
  uint64_t received_bytes_max = UINT64_MAX;
  friend bool operator==(const EgressLimits&, const EgressLimits&) = default;
};

struct EgressPolicy {
  EgressMode mode = EgressMode::kNone;
  std::vector<EgressRule> rules;
  std::vector<std::string> presets;  // egress_presets.h
  EgressLimits limits;
  std::vector<std::string> private_ranges_allowed;  // IpRange
  friend bool operator==(const EgressPolicy&, const EgressPolicy&) = default;
};

inline constexpr size_t kEgressRulesMax = 1000;  // of the policy itself
inline constexpr size_t kEgressPresetsMax = 32;
inline constexpr size_t kEgressRangesMax = 64;
inline constexpr size_t kEgressPortsMax = 32;     // of a rule, as the next ones
inline constexpr size_t kEgressAllPortsMax = 48;  // different ones, of a policy with its presets
inline constexpr size_t kEgressMethodsMax = 16;
inline constexpr size_t kEgressPathsMax = 64;
inline constexpr size_t kEgressAllPathsMax = 2048;  // of a policy
inline constexpr size_t kEgressRuleNameBytesMax = 63;
inline constexpr size_t kEgressSecretsMax = 32;          // different ones, of a policy
inline constexpr uint32_t kEgressConnectionsMax = 4096;  // that connections_max may be

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_EGRESS_POLICY_H_

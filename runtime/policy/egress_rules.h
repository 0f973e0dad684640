// An egress policy in the form that decides: name and port in, a grant or the reason of a refusal
// out. Deny is the answer to everything that no rule has.
#ifndef GLOVEBOX_POLICY_EGRESS_RULES_H_
#define GLOVEBOX_POLICY_EGRESS_RULES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/credential_header.h"
#include "policy/egress_policy.h"
#include "policy/host_name.h"
#include "policy/ip_address.h"
#include "policy/path_pattern.h"
#include "policy/secret_value.h"

namespace glovebox {

// How a connection may go on, and by which rule each way. Empty: not that way.
struct EgressGrant {
  std::string tcp;                            // unseen
  std::string tls;                            // unopened, with the TLS name that is the host
  std::string http;                           // request by request: JudgeRequest
  std::string intercept;                      // TLS is opened, request by request
  bool opens = false;                         // TLS is opened in any case: a secret may be needed
  EgressDenial denial = EgressDenial::kNone;  // set when there is no way at all

  bool allowed() const { return denial == EgressDenial::kNone; }
};

// Whether a request of this method goes to no origin, whatever the rules: a tunnel through it, and
// the echoes of a request with what was added to it. Origins may read methods without case.
bool IsNeverPassedOn(absl::string_view method);

// The verdict on one request.
struct EgressRequestGrant {
  std::string rule;  // empty when refused
  EgressDenial denial = EgressDenial::kNone;
  std::shared_ptr<const CredentialHeader> credential;  // the request gets it; null: none
};

// Immutable; any thread.
class EgressRules {
 public:
  // Nothing is allowed.
  EgressRules() = default;

  // INVALID_ARGUMENT, INVALID_FIELD: metadata field is "rules[3].host" or the like, the message
  // says what would be right. A secret that rules need and `secrets` lacks is no error: requests
  // that those rules allow are refused.
  static absl::StatusOr<EgressRules> Compile(const EgressPolicy& policy,
                                             const EgressSecrets& secrets = {});

  EgressMode mode() const { return mode_; }
  const EgressLimits& limits() const { return limits_; }

  // Whether a connection to the name is allowed at any port: those names have an address in the
  // sandbox, others do not exist there.
  bool Knows(const HostName& host) const;

  // What names and ports decide. A name's addresses are judged besides, by JudgeAddress.
  EgressGrant Judge(const HostName& host, uint16_t port) const;

  // A connection to an address that has no name: with mode kFull alone.
  EgressGrant JudgeNameless(const IpAddress& address, uint16_t port) const;

  // kPrivateAddress or kNone, for every address before it is dialled, in every mode.
  EgressDenial JudgeAddress(const IpAddress& address) const;

  // One request over plain or opened HTTP (`scheme` kHttp or kHttps). `normal_path`: of
  // NormalPath; absent where it refuses the path, which then fits rules without paths alone. Of
  // the rules that allow it the first with a credential counts, else the first.
  EgressRequestGrant JudgeRequest(const HostName& host, uint16_t port, EgressScheme scheme,
                                  absl::string_view method,
                                  const std::optional<std::string>& normal_path) const;

  // Where connections come to without a proxy being named, where not every port can be served: the
  // ports of all rules, those of presets too; with kFull the usual ones. Sorted.
  const std::vector<uint16_t>& ports() const { return ports_; }
  bool HasPort(uint16_t port) const;  // one of ports()

  // Whether there is a rule for which TLS is opened.
  bool opens_tls() const { return opens_tls_; }

  // How many rules there are, those of presets too.
  size_t size() const { return rules_.size(); }

 private:
  struct Rule {
    std::string name;
    std::vector<uint16_t> ports;
    EgressScheme scheme = EgressScheme::kTcp;
    std::vector<std::string> methods;
    std::vector<PathPattern> paths;
    bool needs_secret = false;
    std::shared_ptr<const CredentialHeader> credential;  // null: it has none, or misses it

    bool HasPort(uint16_t port) const;
    bool NeedsInterception() const;
    bool AllowsRequest(absl::string_view method,
                       const std::optional<std::string>& normal_path) const;
  };
  using Index = std::unordered_map<std::string, std::vector<uint32_t>>;

  absl::Status Add(const EgressRule& rule, const EgressSecrets& secrets);
  absl::Status CollectPorts();
  static absl::StatusOr<Rule> CompileRule(const EgressRule& rule, const EgressSecrets& secrets);
  // Calls visit(rule) for each rule that has the host, until it answers false.
  template <typename Visit>
  void ForEachRule(const HostName& host, Visit visit) const;

  EgressMode mode_ = EgressMode::kNone;
  EgressLimits limits_;
  std::vector<IpRange> allowed_ranges_;
  std::vector<Rule> rules_;
  Index exact_;  // canonical name to rules, in their order
  Index below_;  // of "*.": the name behind it
  size_t paths_ = 0;
  std::set<std::string> secret_names_;
  bool opens_tls_ = false;
  std::vector<uint16_t> ports_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_EGRESS_RULES_H_

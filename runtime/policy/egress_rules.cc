#include "policy/egress_rules.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/egress_presets.h"
#include "policy/field_error.h"

namespace glovebox {
namespace {

constexpr char kFullRule[] = "full";
constexpr size_t kMethodBytesMax = 32;
// It is kept twice, recorded, and shown with its sandbox in lists.
constexpr size_t kTextBytesMax = size_t{128} << 10;
// Of ssh, HTTP, HTTPS and git. Where each has a socket it cannot be a payload's own, so there are
// no others without a rule.
constexpr std::array<uint16_t, 4> kFullPorts = {22, 80, 443, 9418};

// `status` of a part, as an error of the field that it is in.
absl::Status In(absl::string_view field, const absl::Status& status) {
  return status.ok() ? status : WrongField(field, status.message());
}

// The same error with `prefix` before its field.
absl::Status Within(absl::string_view prefix, const absl::Status& status) {
  if (status.ok()) return status;
  ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail{"INVALID_FIELD", {}});
  const std::string inner = detail.metadata["field"];
  detail.metadata["field"] = absl::StrCat(prefix, inner);
  return DetailedError(status.code(), absl::StrCat(prefix, status.message()), detail);
}

absl::Status CheckLimits(const EgressLimits& limits) {
  if (limits.connections_max < 1 || limits.connections_max > kEgressConnectionsMax) {
    return WrongField("limits.connections_max", absl::StrCat("is 1 to ", kEgressConnectionsMax));
  }
  if (limits.connections_per_second < 1 || limits.connections_per_second > 10'000) {
    return WrongField("limits.connections_per_second", "is 1 to 10000");
  }
  return absl::OkStatus();
}

size_t BytesOf(const std::vector<std::string>& texts) {
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  return bytes;
}

absl::Status CheckTextBytes(const EgressPolicy& policy) {
  size_t bytes = BytesOf(policy.presets) + BytesOf(policy.private_ranges_allowed);
  for (const EgressRule& rule : policy.rules) {
    bytes += rule.name.size() + rule.host.size() + BytesOf(rule.methods) + BytesOf(rule.paths);
    if (!rule.credential.has_value()) continue;
    const EgressCredential& use = *rule.credential;
    bytes += use.secret_name.size() + use.header.size() + use.basic_user.size() + use.prefix.size();
  }
  if (bytes <= kTextBytesMax) return absl::OkStatus();
  return WrongField("rules", absl::StrCat("all texts of a policy have at most ", kTextBytesMax,
                                          " bytes; these have ", bytes));
}

bool AreForSecretsAlone(const EgressPolicy& policy) {
  return std::all_of(policy.rules.begin(), policy.rules.end(), [&](const EgressRule& rule) {
    return policy.mode == EgressMode::kFull && rule.credential.has_value();
  });
}

absl::Status CheckSizes(const EgressPolicy& policy) {
  RETURN_IF_ERROR(CheckLimits(policy.limits));
  switch (policy.mode) {
    case EgressMode::kNone:
    case EgressMode::kFull:
      if (!policy.presets.empty() || !AreForSecretsAlone(policy)) {
        return WrongField(
            "mode", "rules and presets need ALLOW_LIST; those with a credential go with FULL");
      }
      break;
    case EgressMode::kAllowList:
      break;
    default:
      return WrongField("mode", "is NONE, ALLOW_LIST or FULL");
  }
  if (policy.rules.size() > kEgressRulesMax) {
    return WrongField("rules", absl::StrCat("at most ", kEgressRulesMax, "; \"*.\" joins many"));
  }
  if (policy.presets.size() > kEgressPresetsMax) {
    return WrongField("presets", absl::StrCat("at most ", kEgressPresetsMax));
  }
  if (policy.private_ranges_allowed.size() > kEgressRangesMax) {
    return WrongField("private_ranges_allowed", absl::StrCat("at most ", kEgressRangesMax));
  }
  return CheckTextBytes(policy);
}

bool IsRuleName(absl::string_view name) {
  return name.size() <= kEgressRuleNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::StrContains("-_.:*/", c);
         });
}

// Methods are case-sensitive: "get" is another one, which nobody means.
bool IsMethod(absl::string_view method) {
  return !method.empty() && method.size() <= kMethodBytesMax &&
         std::all_of(method.begin(), method.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; });
}

absl::Status CheckPorts(const EgressRule& rule) {
  if (rule.ports.size() > kEgressPortsMax) {
    return WrongField("ports", absl::StrCat("a rule has at most ", kEgressPortsMax));
  }
  if (rule.ports.empty() && rule.scheme == EgressScheme::kTcp) {
    return WrongField("ports", "a TCP rule names its ports; or take scheme TLS (443) or HTTP (80)");
  }
  for (const uint32_t port : rule.ports) {
    if (port < 1 || port > UINT16_MAX) return WrongField("ports", "a port is 1 to 65535");
  }
  return absl::OkStatus();
}

absl::Status CheckMethods(const EgressRule& rule) {
  if (rule.methods.size() > kEgressMethodsMax) {
    return WrongField("methods", absl::StrCat("a rule has at most ", kEgressMethodsMax));
  }
  for (const std::string& method : rule.methods) {
    if (!IsMethod(method)) {
      return WrongField("methods", "a method is capital letters, as in \"GET\"");
    }
    if (IsNeverPassedOn(method)) {
      return WrongField("methods", absl::StrCat(method, " is never passed on; leave it out"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCredential(const EgressRule& rule) {
  if (!rule.credential.has_value()) return absl::OkStatus();
  if (rule.scheme != EgressScheme::kHttps) {
    return WrongField("credential", "a secret goes over TLS alone; take scheme HTTPS");
  }
  return CheckCredentialForm(*rule.credential);
}

absl::Status CheckScheme(const EgressRule& rule) {
  switch (rule.scheme) {
    case EgressScheme::kTcp:
    case EgressScheme::kTls:
      if (rule.methods.empty() && rule.paths.empty()) return absl::OkStatus();
      return WrongField("scheme", "methods and paths need scheme HTTP or HTTPS");
    case EgressScheme::kHttp:
    case EgressScheme::kHttps:
      return absl::OkStatus();
  }
  return WrongField("scheme", "is TCP, HTTP, TLS or HTTPS");
}

}  // namespace

bool EgressRules::HasPort(uint16_t port) const {
  return std::binary_search(ports_.begin(), ports_.end(), port);
}

bool EgressRules::Rule::HasPort(uint16_t port) const {
  return std::find(ports.begin(), ports.end(), port) != ports.end();
}

bool EgressRules::Rule::NeedsInterception() const {
  return scheme == EgressScheme::kHttps && (!methods.empty() || !paths.empty() || needs_secret);
}

bool EgressRules::Rule::AllowsRequest(absl::string_view method,
                                      const std::optional<std::string>& normal_path) const {
  const bool has_method =
      methods.empty() || std::find(methods.begin(), methods.end(), method) != methods.end();
  return has_method &&
         (paths.empty() || std::any_of(paths.begin(), paths.end(), [&](const PathPattern& pattern) {
            return normal_path.has_value() && pattern.Matches(*normal_path);
          }));
}

absl::StatusOr<EgressRules::Rule> EgressRules::CompileRule(const EgressRule& rule,
                                                           const EgressSecrets& secrets) {
  RETURN_IF_ERROR(CheckScheme(rule));
  RETURN_IF_ERROR(CheckPorts(rule));
  RETURN_IF_ERROR(CheckMethods(rule));
  RETURN_IF_ERROR(CheckCredential(rule));
  if (!IsRuleName(rule.name)) {
    return WrongField("name", absl::StrCat("is letters, digits and -_.:*/, at most ",
                                           kEgressRuleNameBytesMax, " bytes"));
  }
  Rule compiled;
  compiled.name = rule.name.empty() ? rule.host.substr(0, kEgressRuleNameBytesMax) : rule.name;
  compiled.scheme = rule.scheme;
  compiled.methods = rule.methods;
  compiled.needs_secret = rule.credential.has_value();
  if (compiled.needs_secret) {
    const auto secret = secrets.find(rule.credential->secret_name);
    if (secret != secrets.end() && CheckSecretBytes(secret->second.bytes()).ok()) {
      compiled.credential =
          std::make_shared<const CredentialHeader>(*rule.credential, secret->second);
    }
  }
  for (const uint32_t port : rule.ports) compiled.ports.push_back(static_cast<uint16_t>(port));
  if (compiled.ports.empty()) {
    compiled.ports = {rule.scheme == EgressScheme::kHttp ? uint16_t{80} : uint16_t{443}};
  }
  if (rule.paths.size() > kEgressPathsMax) {
    return WrongField("paths", absl::StrCat("a rule has at most ", kEgressPathsMax));
  }
  for (const std::string& path : rule.paths) {
    absl::StatusOr<PathPattern> pattern = PathPattern::Parse(path);
    if (!pattern.ok()) return In("paths", pattern.status());
    compiled.paths.push_back(*std::move(pattern));
  }
  return compiled;
}

absl::Status EgressRules::Add(const EgressRule& rule, const EgressSecrets& secrets) {
  const absl::StatusOr<HostPattern> host = HostPattern::Parse(rule.host);
  if (!host.ok()) return In("host", host.status());
  ASSIGN_OR_RETURN(Rule compiled, CompileRule(rule, secrets));
  if (compiled.needs_secret) {
    // Below a name may be hosts of others.
    if (host->below) return WrongField("host", "a secret goes to one host; name it without \"*.\"");
    secret_names_.insert(rule.credential->secret_name);
    if (secret_names_.size() > kEgressSecretsMax) {
      return WrongField("credential",
                        absl::StrCat("a policy has at most ", kEgressSecretsMax, " secrets"));
    }
  }
  paths_ += compiled.paths.size();
  if (paths_ > kEgressAllPathsMax) {
    return WrongField("paths", absl::StrCat("a policy has at most ", kEgressAllPathsMax));
  }
  opens_tls_ = opens_tls_ || compiled.NeedsInterception();
  (host->below ? below_ : exact_)[host->name].push_back(static_cast<uint32_t>(rules_.size()));
  rules_.push_back(std::move(compiled));
  return absl::OkStatus();
}

absl::StatusOr<EgressRules> EgressRules::Compile(const EgressPolicy& policy,
                                                 const EgressSecrets& secrets) {
  RETURN_IF_ERROR(CheckSizes(policy));
  EgressRules rules;
  rules.mode_ = policy.mode;
  rules.limits_ = policy.limits;
  for (size_t i = 0; i < policy.private_ranges_allowed.size(); ++i) {
    const std::string field = absl::StrCat("private_ranges_allowed[", i, "]");
    const absl::StatusOr<IpRange> range = IpRange::Parse(policy.private_ranges_allowed[i]);
    if (!range.ok()) return In(field, range.status());
    RETURN_IF_ERROR(In(field, CheckException(*range)));
    rules.allowed_ranges_.push_back(*range);
  }
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    RETURN_IF_ERROR(Within(absl::StrCat("rules[", i, "]."), rules.Add(policy.rules[i], secrets)));
  }
  for (size_t i = 0; i < policy.presets.size(); ++i) {
    const std::string field = absl::StrCat("presets[", i, "]");
    const EgressPreset* const preset = FindEgressPreset(policy.presets[i]);
    if (preset == nullptr) {
      return WrongField(field, absl::StrCat("no such preset; there are ", EgressPresetNames()));
    }
    for (const EgressRule& rule : preset->rules) {
      RETURN_IF_ERROR(Within(absl::StrCat(field, "."), rules.Add(rule, secrets)));
    }
  }
  RETURN_IF_ERROR(rules.CollectPorts());
  return rules;
}

absl::Status EgressRules::CollectPorts() {
  std::set<uint16_t> ports;
  if (mode_ == EgressMode::kFull) ports.insert(kFullPorts.begin(), kFullPorts.end());
  for (const Rule& rule : rules_) ports.insert(rule.ports.begin(), rule.ports.end());
  if (ports.size() > kEgressAllPortsMax) {
    return WrongField("rules", absl::StrCat("name ", ports.size(), " different ports; at most ",
                                            kEgressAllPortsMax));
  }
  ports_.assign(ports.begin(), ports.end());
  return absl::OkStatus();
}

template <typename Visit>
void EgressRules::ForEachRule(const HostName& host, Visit visit) const {
  const auto all = [&](const Index& index, const std::string& name) {
    const auto found = index.find(name);
    if (found == index.end()) return true;
    return std::all_of(found->second.begin(), found->second.end(),
                       [&](uint32_t rule) { return visit(rules_[rule]); });
  };
  if (!all(exact_, host.value())) return;
  if (below_.empty()) return;
  const std::string& name = host.value();
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    if (!all(below_, name.substr(dot + 1))) return;
  }
}

bool EgressRules::Knows(const HostName& host) const {
  if (mode_ != EgressMode::kAllowList) return mode_ == EgressMode::kFull;
  bool known = false;
  ForEachRule(host, [&](const Rule&) { return !(known = true); });
  return known;
}

EgressGrant EgressRules::Judge(const HostName& host, uint16_t port) const {
  EgressGrant grant;
  if (mode_ == EgressMode::kFull) grant.tcp = kFullRule;
  if (mode_ == EgressMode::kNone) {
    grant.denial = EgressDenial::kNoEgress;
    return grant;
  }
  ForEachRule(host, [&](const Rule& rule) {
    if (!rule.HasPort(port)) return true;
    std::string* way = nullptr;
    switch (rule.scheme) {
      case EgressScheme::kTcp:
        way = &grant.tcp;
        break;
      case EgressScheme::kHttp:
        way = &grant.http;
        break;
      case EgressScheme::kTls:
      case EgressScheme::kHttps:
        way = rule.NeedsInterception() ? &grant.intercept : &grant.tls;
        break;
    }
    if (way->empty()) *way = rule.name;
    grant.opens = grant.opens || rule.needs_secret;
    return true;
  });
  const bool any =
      !grant.tcp.empty() || !grant.tls.empty() || !grant.http.empty() || !grant.intercept.empty();
  if (!any) grant.denial = EgressDenial::kNoRule;
  return grant;
}

EgressGrant EgressRules::JudgeNameless(const IpAddress& address, uint16_t port) const {
  EgressGrant grant;
  if (mode_ == EgressMode::kNone) {
    grant.denial = EgressDenial::kNoEgress;
  } else if (mode_ == EgressMode::kAllowList || port == 0) {
    grant.denial = EgressDenial::kNoRule;
  } else {
    grant.denial = JudgeAddress(address);
    if (grant.allowed()) grant.tcp = kFullRule;
  }
  return grant;
}

EgressDenial EgressRules::JudgeAddress(const IpAddress& address) const {
  if (mode_ == EgressMode::kNone) return EgressDenial::kNoEgress;
  return MayDial(address, allowed_ranges_) ? EgressDenial::kNone : EgressDenial::kPrivateAddress;
}

bool IsNeverPassedOn(absl::string_view method) {
  for (const char* const one : {"CONNECT", "TRACE", "TRACK"}) {
    if (absl::EqualsIgnoreCase(method, one)) return true;
  }
  return false;
}

EgressRequestGrant EgressRules::JudgeRequest(const HostName& host, uint16_t port,
                                             EgressScheme scheme, absl::string_view method,
                                             const std::optional<std::string>& normal_path) const {
  if (IsNeverPassedOn(method)) {
    return {"", EgressDenial::kRequestNotAllowed, nullptr};
  }
  if (mode_ == EgressMode::kNone) return {"", EgressDenial::kNoEgress, nullptr};
  EgressRequestGrant grant{"", EgressDenial::kNoRule, nullptr};
  if (mode_ == EgressMode::kFull) grant = {kFullRule, EgressDenial::kNone, nullptr};
  ForEachRule(host, [&](const Rule& rule) {
    if (rule.scheme != scheme || !rule.HasPort(port)) return true;
    if (!rule.AllowsRequest(method, normal_path)) {
      if (grant.rule.empty()) grant.denial = EgressDenial::kRequestNotAllowed;
      return true;
    }
    if (rule.needs_secret) {
      const bool has = rule.credential != nullptr;
      grant = has ? EgressRequestGrant{rule.name, EgressDenial::kNone, rule.credential}
                  : EgressRequestGrant{"", EgressDenial::kSecretMissing, nullptr};
      return false;
    }
    if (grant.rule.empty()) grant = {rule.name, EgressDenial::kNone, nullptr};
    return true;
  });
  return grant;
}

}  // namespace glovebox

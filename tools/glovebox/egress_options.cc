#include "tools/glovebox/egress_options.h"

#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "policy/host_name.h"
#include "policy/ip_address.h"
#include "tools/glovebox/port_argument.h"

namespace glovebox {
namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

absl::Status WrongAllow(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("--allow \"", EscapeForPeople(text, 80), "\": ", why));
}

absl::StatusOr<v1::EgressMode> ParseMode(absl::string_view text) {
  if (text == "none") return v1::EGRESS_MODE_NONE;
  if (text == "allow-list") return v1::EGRESS_MODE_ALLOW_LIST;
  if (text == "full") return v1::EGRESS_MODE_FULL;
  return absl::InvalidArgumentError(absl::StrCat("\"", EscapeForPeople(text, 40),
                                                 "\" is no mode: give none, allow-list or full"));
}

}  // namespace

void AddEgressOptions(Verb verb, const char* mode, const char* preset, EgressOptions& options) {
  verb.AddOption(mode, options.mode,
                 "What commands may reach: none (default), allow-list, full (anything public)")
      .TypeName("MODE");
  verb.AddOption("--allow", options.allow,
                 "Host that commands may reach, also *.HOST; 443 (TLS) without ports; may be "
                 "repeated, implies allow-list")
      .TypeName("HOST[:PORT[,PORT]]")
      .Repeated();
  verb.AddOption(preset, options.presets,
                 "Hosts of a reviewed list, e.g. pypi, npm, debian; may be repeated, implies "
                 "allow-list")
      .TypeName("NAME")
      .Repeated();
  verb.AddOption("--allow-private", options.private_ranges,
                 "Private addresses that those hosts may have, where the node permits it; may be "
                 "repeated")
      .TypeName("CIDR")
      .Repeated();
}

absl::StatusOr<std::vector<v1::EgressRule>> ParseAllow(absl::string_view text) {
  if (absl::StrContains(text, "://")) {
    return WrongAllow(text, "give the host without the scheme, as in pypi.org:443");
  }
  if (IpAddress::Parse(text).ok()) return WrongAllow(text, "is an address; rules are for names");
  const size_t colon = text.find(':');
  const absl::string_view name = text.substr(0, colon);
  const absl::StatusOr<HostPattern> host = HostPattern::Parse(name);
  if (!host.ok()) return WrongAllow(text, host.status().message());
  std::vector<v1::EgressRule> rules;
  v1::EgressRule others;
  const auto add = [&](uint16_t port) {
    if (port != kHttpPort && port != kHttpsPort) return others.add_ports(port);
    v1::EgressRule& rule = rules.emplace_back();
    rule.set_host(host->Text());
    rule.set_scheme(port == kHttpPort ? v1::EGRESS_SCHEME_HTTP : v1::EGRESS_SCHEME_TLS);
    rule.add_ports(port);
  };
  if (colon == absl::string_view::npos) {
    add(kHttpsPort);
    return rules;
  }
  for (const absl::string_view one : absl::StrSplit(text.substr(colon + 1), ',')) {
    const absl::StatusOr<uint16_t> port = ParsePort(one);
    if (!port.ok()) return WrongAllow(text, port.status().message());
    add(*port);
  }
  if (others.ports_size() == 0) return rules;
  others.set_host(host->Text());
  others.set_scheme(v1::EGRESS_SCHEME_TCP);
  rules.push_back(std::move(others));
  return rules;
}

absl::StatusOr<std::optional<v1::EgressPolicy>> BuildEgress(const EgressOptions& options) {
  const bool list = !options.allow.empty() || !options.presets.empty();
  if (options.mode.empty() && !list && options.private_ranges.empty()) {
    return std::optional<v1::EgressPolicy>();
  }
  v1::EgressPolicy policy;
  policy.set_mode(v1::EGRESS_MODE_ALLOW_LIST);
  if (!options.mode.empty()) {
    ASSIGN_OR_RETURN(const v1::EgressMode mode, ParseMode(options.mode));
    policy.set_mode(mode);
  }
  if (list && policy.mode() != v1::EGRESS_MODE_ALLOW_LIST) {
    return absl::InvalidArgumentError(
        absl::StrCat("hosts and presets are for mode allow-list, not ", options.mode));
  }
  for (const std::string& text : options.allow) {
    ASSIGN_OR_RETURN(std::vector<v1::EgressRule> rules, ParseAllow(text));
    for (v1::EgressRule& rule : rules) *policy.add_rules() = std::move(rule);
  }
  for (const std::string& name : options.presets) policy.add_presets(name);
  for (const std::string& range : options.private_ranges) {
    if (const auto parsed = IpRange::Parse(range); !parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--allow-private \"", EscapeForPeople(range, 80), "\": ", parsed.status().message()));
    }
    policy.add_private_ranges_allowed(range);
  }
  return std::optional<v1::EgressPolicy>(std::move(policy));
}

}  // namespace glovebox

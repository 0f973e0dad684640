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
#include "tools/glovebox/egress_rule_argument.h"
#include "tools/glovebox/port_argument.h"
#include "tools/glovebox/sizes.h"

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

absl::Status WrongLimit(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("limit \"", EscapeForPeople(text, 80), "\": ", why));
}

// One NAME=VALUE. What a value may be beyond its form is the daemon's to say.
absl::Status SetLimit(absl::string_view text, v1::EgressLimits* limits) {
  const size_t equals = text.find('=');
  if (equals == absl::string_view::npos) return WrongLimit(text, "give NAME=VALUE");
  const absl::string_view name = text.substr(0, equals);
  const absl::string_view value = text.substr(equals + 1);
  if (name == "connections" || name == "rate") {
    const absl::StatusOr<uint64_t> count = ParseCount(value, UINT32_MAX);
    if (!count.ok()) return WrongLimit(text, count.status().message());
    const auto number = static_cast<uint32_t>(*count);
    name == "rate" ? limits->set_connections_per_second(number)
                   : limits->set_connections_max(number);
    return absl::OkStatus();
  }
  if (name != "sent" && name != "received") {
    return WrongLimit(text, "there are connections, rate, sent and received");
  }
  const absl::StatusOr<uint64_t> bytes = ParseSize(value);
  if (!bytes.ok()) return WrongLimit(text, bytes.status().message());
  name == "sent" ? limits->set_sent_bytes_max(*bytes) : limits->set_received_bytes_max(*bytes);
  return absl::OkStatus();
}

}  // namespace

void AddEgressOptions(Verb verb, const EgressOptionNames& names, EgressOptions& options) {
  verb.AddOption(names.mode, options.mode,
                 "What commands may reach: none (default), allow-list, full (anything public)")
      .TypeName("MODE");
  verb.AddOption("--allow", options.allow,
                 "Host that commands may reach, also *.HOST; 443 (TLS) without ports; may be "
                 "repeated, implies allow-list")
      .TypeName("HOST[:PORT[,PORT]]")
      .Repeated();
  verb.AddOption("--allow-request", options.requests,
                 "Requests that commands may make: TLS is opened for them; ** is any path, * one "
                 "segment; may be repeated, implies allow-list")
      .TypeName("[METHOD[,METHOD] ]URL")
      .Repeated();
  verb.AddOption("--credential", options.credentials,
                 "Requests that get a secret outside of the sandbox: with user=USER as the "
                 "password of basic authentication, with header=NAME[,prefix=TEXT] in that; may "
                 "be repeated, implies allow-list")
      .TypeName("secret=NAME,url=URL,…")
      .Repeated();
  verb.AddOption(names.preset, options.presets,
                 "Hosts of a reviewed list, e.g. pypi, npm, debian; may be repeated, implies "
                 "allow-list")
      .TypeName("NAME")
      .Repeated();
  verb.AddOption("--allow-private", options.private_ranges,
                 "Private addresses that those hosts may have, where the node permits it; may be "
                 "repeated")
      .TypeName("CIDR")
      .Repeated();
  verb.AddOption(names.limit, options.limits,
                 "Limit of all connections: connections=N at once, rate=N new ones in a second, "
                 "sent=SIZE and received=SIZE in all; may be repeated")
      .TypeName("NAME=VALUE")
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

absl::StatusOr<std::optional<v1::EgressPolicy>> BuildEgress(const EgressOptions& options,
                                                            EgressUse use) {
  const bool list = !options.allow.empty() || !options.presets.empty() ||
                    !options.requests.empty() || !options.credentials.empty();
  if (options.mode.empty() && !list && options.private_ranges.empty()) {
    if (options.limits.empty()) return std::optional<v1::EgressPolicy>();
    if (use == EgressUse::kWhole) {
      return WrongLimit(options.limits[0], "say what is allowed, too; without it nothing would be");
    }
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
  for (const std::string& text : options.requests) {
    ASSIGN_OR_RETURN(*policy.add_rules(), ParseAllowRequest(text));
  }
  for (const std::string& text : options.credentials) {
    ASSIGN_OR_RETURN(*policy.add_rules(), ParseCredential(text));
  }
  for (const std::string& name : options.presets) policy.add_presets(name);
  for (const std::string& range : options.private_ranges) {
    if (const auto parsed = IpRange::Parse(range); !parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--allow-private \"", EscapeForPeople(range, 80), "\": ", parsed.status().message()));
    }
    policy.add_private_ranges_allowed(range);
  }
  for (const std::string& limit : options.limits) {
    RETURN_IF_ERROR(SetLimit(limit, policy.mutable_limits()));
  }
  return std::optional<v1::EgressPolicy>(std::move(policy));
}

}  // namespace glovebox

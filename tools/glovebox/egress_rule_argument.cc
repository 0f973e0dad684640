#include "tools/glovebox/egress_rule_argument.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"
#include "policy/host_name.h"
#include "tools/glovebox/port_argument.h"

namespace glovebox {
namespace {

absl::Status Wrong(absl::string_view option, absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(option, " \"", EscapeForPeople(text, 120), "\": ", why));
}

// Scheme, host, port and path pattern.
absl::Status TakeUrl(absl::string_view url, v1::EgressRule* rule) {
  absl::string_view rest = url;
  if (absl::ConsumePrefix(&rest, "https://")) {
    rule->set_scheme(v1::EGRESS_SCHEME_HTTPS);
  } else if (absl::ConsumePrefix(&rest, "http://")) {
    rule->set_scheme(v1::EGRESS_SCHEME_HTTP);
  } else {
    return absl::InvalidArgumentError("give a URL of https or http, as in https://pypi.org/**");
  }
  const size_t slash = rest.find('/');
  const absl::string_view authority = rest.substr(0, slash);
  if (slash != absl::string_view::npos) rule->add_paths(std::string(rest.substr(slash)));
  if (absl::StrContains(authority, '@')) {
    return absl::InvalidArgumentError("a URL has no user here; that is what secrets are for");
  }
  const size_t colon = authority.find(':');
  ASSIGN_OR_RETURN(const HostPattern host, HostPattern::Parse(authority.substr(0, colon)));
  rule->set_host(host.Text());
  if (colon == absl::string_view::npos) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint16_t port, ParsePort(authority.substr(colon + 1)));
  rule->add_ports(port);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::EgressRule> ParseAllowRequest(absl::string_view text) {
  constexpr absl::string_view kOption = "--allow-request";
  v1::EgressRule rule;
  absl::string_view url = text;
  if (const size_t space = text.rfind(' '); space != absl::string_view::npos) {
    for (const absl::string_view method : absl::StrSplit(text.substr(0, space), ',')) {
      rule.add_methods(std::string(method));
    }
    url = text.substr(space + 1);
  }
  if (const absl::Status taken = TakeUrl(url, &rule); !taken.ok()) {
    return Wrong(kOption, text, taken.message());
  }
  return rule;
}

absl::StatusOr<v1::EgressRule> ParseCredential(absl::string_view text) {
  constexpr absl::string_view kOption = "--credential";
  std::map<std::string, std::string> parts;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> one = absl::StrSplit(part, absl::MaxSplits('=', 1));
    const bool known = one.first == "secret" || one.first == "url" || one.first == "user" ||
                       one.first == "header" || one.first == "prefix";
    if (!known || !absl::StrContains(part, '=')) {
      return Wrong(kOption, text,
                   "give secret=NAME,url=URL and user=USER, or header=HEADER[,prefix=TEXT]");
    }
    if (!parts.insert(one).second) {
      return Wrong(kOption, text, absl::StrCat("give ", one.first, "= once"));
    }
  }
  v1::EgressRule rule;
  if (const absl::Status taken = TakeUrl(parts["url"], &rule); !taken.ok()) {
    return Wrong(kOption, text, absl::StrCat("url: ", taken.message()));
  }
  if (rule.scheme() != v1::EGRESS_SCHEME_HTTPS) {
    return Wrong(kOption, text, "url: a secret goes over https alone");
  }
  v1::CredentialUse& use = *rule.mutable_credential();
  use.set_secret_name(parts["secret"]);
  use.set_prefix(parts["prefix"]);
  if (parts.contains("user") == parts.contains("header")) {
    return Wrong(kOption, text,
                 "give user=USER for basic authentication, or header=HEADER, as in "
                 "header=Authorization,prefix=\"Bearer \"");
  }
  if (parts.contains("user")) {
    use.set_basic_user(parts["user"]);
  } else {
    use.set_header(parts["header"]);
  }
  return rule;
}

}  // namespace glovebox

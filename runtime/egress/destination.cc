#include "egress/destination.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr uint16_t kHttpPort = 80;

absl::Status Wrong(absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat("a destination ", why),
                       {"INVALID_FIELD", {{"field", "host"}}});
}

// Decimal digits alone: no sign, no space.
absl::StatusOr<uint16_t> ParsePort(absl::string_view text) {
  uint32_t port = 0;
  const bool digits =
      !text.empty() && text.size() <= 5 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(text, &port) || port < 1 || port > UINT16_MAX) {
    return Wrong("has a port of 1 to 65535");
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

absl::StatusOr<Destination> ParseHost(absl::string_view host, uint16_t port) {
  Destination destination;
  destination.port = port;
  if (const auto address = IpAddress::Parse(host); address.ok()) {
    destination.address = *address;
    return destination;
  }
  ASSIGN_OR_RETURN(destination.name, HostName::Parse(host));
  return destination;
}

absl::StatusOr<Destination> ParseAuthority(absl::string_view authority, uint16_t default_port) {
  absl::string_view host;
  const bool bracketed = absl::ConsumePrefix(&authority, "[");
  const size_t end = authority.find(bracketed ? ']' : ':');
  if (bracketed && end == absl::string_view::npos) return Wrong("has no ']' after its '['");
  host = authority.substr(0, end);
  authority.remove_prefix(std::min(authority.size(), host.size() + (bracketed ? 1 : 0)));
  uint16_t port = default_port;
  if (absl::ConsumePrefix(&authority, ":")) {
    ASSIGN_OR_RETURN(port, ParsePort(authority));
  } else if (!authority.empty() || port == 0) {
    return Wrong("is HOST:PORT");
  }
  ASSIGN_OR_RETURN(Destination destination, ParseHost(host, port));
  // Brackets are for IPv6 and for nothing else.
  const bool is_v6 = !destination.name.has_value() && destination.address.is_v6;
  if (bracketed != is_v6) return Wrong("has brackets around an IPv6 address alone");
  return destination;
}

absl::StatusOr<AbsoluteUri> ParseAbsoluteUri(absl::string_view uri) {
  if (uri.size() < 7 || !absl::EqualsIgnoreCase(uri.substr(0, 7), "http://")) {
    return Wrong("of an absolute URI is http://HOST[:PORT]/PATH; use CONNECT for TLS");
  }
  uri.remove_prefix(7);
  const size_t end = std::min(uri.size(), uri.find_first_of("/?#"));
  AbsoluteUri parsed;
  ASSIGN_OR_RETURN(parsed.destination, ParseAuthority(uri.substr(0, end), kHttpPort));
  const absl::string_view target = uri.substr(end);
  parsed.target = absl::StartsWith(target, "/") ? std::string(target) : absl::StrCat("/", target);
  return parsed;
}

}  // namespace glovebox

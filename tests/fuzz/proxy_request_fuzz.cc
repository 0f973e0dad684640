// What clients of a proxy ask for: SOCKS, authorities, absolute URIs.
#include "absl/strings/str_cat.h"
#include "egress/destination.h"
#include "egress/socks5.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

void CheckDestination(const Destination& destination) {
  Demand(destination.port != 0, "a destination has a port");
  const auto again = ParseHost(destination.Host(), destination.port);
  Demand(again.ok() && *again == destination, "a destination is its text");
}

using Parser = Socks5Parsed (*)(absl::string_view, std::optional<Destination>*);

void CheckPrefixes(absl::string_view bytes, Parser parse) {
  std::optional<Destination> destination;
  const Socks5Parsed whole = parse(bytes, &destination);
  Demand(whole.bytes <= 262 && whole.bytes <= bytes.size(), "a message is bounded");
  Demand(bytes.size() < 262 || whole.state != Socks5Parsed::State::kMore, "and has an end");
  if (whole.state != Socks5Parsed::State::kDone) return;
  std::optional<Destination> again;
  Demand(parse(bytes.substr(0, whole.bytes), &again).bytes == whole.bytes, "and is that long");
  Demand(whole.bytes == 0 ||
             parse(bytes.substr(0, whole.bytes - 1), &again).state == Socks5Parsed::State::kMore,
         "and no shorter");
  if (destination.has_value()) CheckDestination(*destination);
}

}  // namespace

void FuzzProxyRequest(absl::string_view input) {
  CheckPrefixes(input, ParseSocks5Request);
  CheckPrefixes(input, [](absl::string_view bytes, std::optional<Destination>*) {
    return ParseSocks5Greeting(bytes);
  });
  if (const auto authority = ParseAuthority(input, 0); authority.ok()) CheckDestination(*authority);
  if (const auto uri = ParseAbsoluteUri(input); uri.ok()) {
    CheckDestination(uri->destination);
    Demand(uri->target.front() == '/', "a target is a path");
  }
}

}  // namespace glovebox

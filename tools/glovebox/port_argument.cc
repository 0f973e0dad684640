#include "tools/glovebox/port_argument.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {

absl::StatusOr<uint16_t> ParsePort(absl::string_view text) {
  constexpr size_t kDigitsMax = 5;
  uint32_t port = 0;
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || text.size() > kDigitsMax || !absl::SimpleAtoi(text, &port) || port < 1 ||
      port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", EscapeForPeople(text, 40), "\" is no port: 1 to 65535"));
  }
  return static_cast<uint16_t>(port);
}

absl::StatusOr<PortPair> ParsePortPair(absl::string_view text) {
  const size_t colon = text.find(':');
  PortPair pair;
  if (colon == absl::string_view::npos) {
    ASSIGN_OR_RETURN(pair.remote, ParsePort(text));
    pair.local = pair.remote;
    return pair;
  }
  const absl::string_view local = text.substr(0, colon);
  if (!local.empty() && local != "0") {
    ASSIGN_OR_RETURN(pair.local, ParsePort(local));
  }
  ASSIGN_OR_RETURN(pair.remote, ParsePort(text.substr(colon + 1)));
  return pair;
}

}  // namespace glovebox

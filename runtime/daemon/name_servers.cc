#include "daemon/name_servers.h"

#include "absl/strings/str_split.h"
#include "egress/egress_wire.h"

namespace glovebox {

std::vector<IpAddress> ParseNameServers(absl::string_view resolv_conf) {
  std::vector<IpAddress> servers;
  for (const absl::string_view line : absl::StrSplit(resolv_conf, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.size() < 2 || words[0] != "nameserver") continue;
    const auto address = IpAddress::Parse(words[1]);
    if (address.ok() && servers.size() < kEgressNameServersMax) servers.push_back(*address);
  }
  if (servers.empty()) servers.push_back(IpAddress::V4(0x7f000001));
  return servers;
}

}  // namespace glovebox

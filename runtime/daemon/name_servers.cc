#include "daemon/name_servers.h"

#include <algorithm>

#include "absl/strings/str_split.h"

namespace glovebox {
namespace {

constexpr uint16_t kNameServerPort = 53;

}  // namespace

std::vector<IpAddress> NamedServers(absl::string_view resolv_conf) {
  std::vector<IpAddress> servers;
  for (const absl::string_view line : absl::StrSplit(resolv_conf, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.size() < 2 || words[0] != "nameserver") continue;
    const auto address = IpAddress::Parse(words[1]);
    if (address.ok() && servers.size() < kEgressNameServersMax) servers.push_back(*address);
  }
  return servers;
}

std::vector<IpAddress> ParseNameServers(absl::string_view resolv_conf) {
  std::vector<IpAddress> servers = NamedServers(resolv_conf);
  if (servers.empty()) servers.push_back(IpAddress::V4(0x7f000001));
  return servers;
}

std::vector<IpAddress> NameServersOf(const EgressSetup& setup) {
  std::vector<IpAddress> servers;
  for (uint32_t i = 0; i < setup.name_servers; ++i) {
    const EgressEndpoint& endpoint = setup.name_server[i];
    IpAddress& server = servers.emplace_back();
    std::copy_n(endpoint.address, server.bytes.size(), server.bytes.begin());
    server.is_v6 = endpoint.is_v6 != 0;
  }
  return servers;
}

void PutNameServers(const std::vector<IpAddress>& servers, EgressSetup* setup) {
  setup->name_servers = 0;
  for (const IpAddress& server : servers) {
    if (setup->name_servers == kEgressNameServersMax) break;
    EgressEndpoint& endpoint = setup->name_server[setup->name_servers++];
    endpoint = EgressEndpoint();
    std::copy(server.bytes.begin(), server.bytes.end(), endpoint.address);
    endpoint.is_v6 = server.is_v6 ? 1 : 0;
    endpoint.port = kNameServerPort;
  }
}

}  // namespace glovebox

#include "daemon/egress_setup.h"

#include <fcntl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/status.h"
#include "daemon/name_servers.h"
#include "linux/file_io.h"
#include "policy/ip_address.h"

namespace glovebox {
namespace {

constexpr uint32_t kNobody = 65534;
constexpr uint16_t kNamesPort = 53;
// Generous to slow hosts; a client gives up earlier.
constexpr uint32_t kOpeningMs = 30'000;
constexpr uint32_t kConnectMs = 20'000;
constexpr uint32_t kIdleMs = 3'600'000;  // a long poll says nothing for long
constexpr size_t kResolvConfBytesMax = 64 * 1024;

absl::StatusOr<std::vector<IpAddress>> NameServers(const Config& config) {
  std::vector<IpAddress> servers;
  for (const std::string& text : config.egress_name_servers) {
    ASSIGN_OR_RETURN(const IpAddress server, IpAddress::Parse(text));
    servers.push_back(server);
  }
  if (!servers.empty()) return servers;
  const absl::StatusOr<std::string> text =
      ReadFileAt(AT_FDCWD, "/etc/resolv.conf", kResolvConfBytesMax);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  return ParseNameServers(text.ok() ? *text : "");
}

}  // namespace

absl::StatusOr<EgressSetup> MakeEgressSetup(const Config& config, uint64_t files) {
  EgressSetup setup;
  setup.uid = kNobody;
  setup.sandboxes_max = static_cast<uint32_t>(std::clamp<uint64_t>(
      files / 4 / kEgressSocketsOnAverage, 1, std::max<uint32_t>(config.sandboxes_max, 1)));
  // Each has two descriptors.
  setup.connections_max = static_cast<uint32_t>(
      std::clamp<uint64_t>(files / 8, 1, std::max<uint32_t>(config.egress_connections_max, 1)));
  setup.opening_ms = kOpeningMs;
  setup.connect_ms = kConnectMs;
  setup.idle_ms = kIdleMs;
  ASSIGN_OR_RETURN(const std::vector<IpAddress> servers, NameServers(config));
  for (const IpAddress& server : servers) {
    if (setup.name_servers == kEgressNameServersMax) break;
    EgressEndpoint& endpoint = setup.name_server[setup.name_servers++];
    std::copy(server.bytes.begin(), server.bytes.end(), endpoint.address);
    endpoint.is_v6 = server.is_v6 ? 1 : 0;
    endpoint.port = kNamesPort;
  }
  return setup;
}

}  // namespace glovebox

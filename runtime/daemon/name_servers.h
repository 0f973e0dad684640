// The host's name servers, which glovebox-egress asks.
#ifndef GLOVEBOX_DAEMON_NAME_SERVERS_H_
#define GLOVEBOX_DAEMON_NAME_SERVERS_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "egress/egress_wire.h"
#include "policy/ip_address.h"

namespace glovebox {

inline constexpr char kResolvConf[] = "/etc/resolv.conf";
inline constexpr size_t kResolvConfBytesMax = size_t{64} << 10;

// Of resolv.conf(5): the first kEgressNameServersMax that can be asked from here. One with a zone
// ("fe80::1%eth0") is passed over: c-ares 1.18 takes none. Pure.
std::vector<IpAddress> NamedServers(absl::string_view resolv_conf);

// 127.0.0.1 when it names none, as in libc. Pure.
std::vector<IpAddress> ParseNameServers(absl::string_view resolv_conf);

std::vector<IpAddress> NameServersOf(const EgressSetup& setup);
// In place of those that are there; the first kEgressNameServersMax.
void PutNameServers(const std::vector<IpAddress>& servers, EgressSetup* setup);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_NAME_SERVERS_H_

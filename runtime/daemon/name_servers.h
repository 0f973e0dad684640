// The host's name servers, which glovebox-egress asks.
#ifndef GLOVEBOX_DAEMON_NAME_SERVERS_H_
#define GLOVEBOX_DAEMON_NAME_SERVERS_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "policy/ip_address.h"

namespace glovebox {

// Of resolv.conf(5): the first kEgressNameServersMax that can be asked from here. One with a zone
// ("fe80::1%eth0") is passed over: c-ares 1.18 takes none. 127.0.0.1 when there is none, as in
// libc. Pure.
std::vector<IpAddress> ParseNameServers(absl::string_view resolv_conf);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_NAME_SERVERS_H_

// Where a connection is asked to go, as the clients of a proxy write it. Bytes of a payload.
#ifndef GLOVEBOX_EGRESS_DESTINATION_H_
#define GLOVEBOX_EGRESS_DESTINATION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/host_name.h"
#include "policy/ip_address.h"

namespace glovebox {

struct Destination {
  std::optional<HostName> name;  // absent: `address`
  IpAddress address;
  uint16_t port = 0;

  std::string Host() const { return name.has_value() ? name->value() : address.Text(); }
  friend bool operator==(const Destination&, const Destination&) = default;
};

// A name or an address in its plain form. INVALID_ARGUMENT, INVALID_FIELD. IPv6 without brackets.
absl::StatusOr<Destination> ParseHost(absl::string_view host, uint16_t port);

// "host:port", "192.0.2.1:80", "[2001:db8::1]:80", of CONNECT and of Host headers. `default_port`
// is for one that is left out; 0: it must be there. No user, no path, no spaces.
absl::StatusOr<Destination> ParseAuthority(absl::string_view authority, uint16_t default_port);

struct AbsoluteUri {
  Destination destination;
  std::string target;  // "/path?query", what the origin is sent
};
// "http://host[:port]/path?query". Other schemes are refused: TLS to a proxy goes by CONNECT.
absl::StatusOr<AbsoluteUri> ParseAbsoluteUri(absl::string_view uri);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_DESTINATION_H_

// Addresses, ranges of them, and which of them no payload may reach. Pure values.
#ifndef GLOVEBOX_POLICY_IP_ADDRESS_H_
#define GLOVEBOX_POLICY_IP_ADDRESS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// One IPv4 or IPv6 address. ::ffff:192.0.2.1 is an IPv6 one; Unmapped() is for what the kernel
// shows so of an IPv4 connection.
struct IpAddress {
  bool is_v6 = false;
  std::array<uint8_t, 16> bytes = {};  // IPv4: the first four, then zeros
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

  static IpAddress V4(uint32_t host_order);
  static IpAddress V6(const std::array<uint8_t, 16>& bytes);
  // Four decimal numbers, or IPv6 without a zone: what inet_pton(3) takes, and nothing that
  // inet_aton(3) takes beyond it. INVALID_ARGUMENT, INVALID_FIELD.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text);

  IpAddress Unmapped() const;
  uint32_t V4HostOrder() const;  // of an IPv4 one
  std::string Text() const;
};

// "10.1.0.0/16", "fd00:1::/32".
struct IpRange {
  IpAddress first;
  int prefix_bits = 0;

  // INVALID_ARGUMENT, INVALID_FIELD, also when bits are set behind the prefix.
  static absl::StatusOr<IpRange> Parse(absl::string_view text);
  bool Has(const IpAddress& address) const;
  bool Has(const IpRange& range) const;
  std::string Text() const;
};

// A block that is not the public internet: IANA's registries of special-purpose IPv4 and IPv6
// addresses, multicast, what is no global unicast (outside of 2000::/3), every form of IPv6 address
// that carries an IPv4 one, and the addresses at which clouds serve their machines.
struct SpecialBlock {
  const char* range;
  const char* what;  // "loopback"
  // Whether a policy can name ranges of it that are reached all the same. Private networks alone:
  // loopback, link-local and the like are this host's own services and its credentials.
  bool can_be_allowed;
};
const std::vector<SpecialBlock>& SpecialBlocks();

// The narrowest block that `address` is in; null when it is public.
const SpecialBlock* SpecialBlockOf(const IpAddress& address);

// Whether a connection to `address` may be made where `allowed` was named as an exception. What
// carries an IPv4 address (NAT64) is judged by that one too.
bool MayDial(const IpAddress& address, const std::vector<IpRange>& allowed);

// INVALID_ARGUMENT, INVALID_FIELD, for a range that is not wholly in a block that can be allowed.
absl::Status CheckException(const IpRange& range);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_IP_ADDRESS_H_

// The addresses that stand for names in one sandbox: the name server there gives each permitted
// name one of its own, so that a connection to it, of whatever protocol, arrives with a name.
#ifndef GLOVEBOX_EGRESS_SYNTHETIC_NAMES_H_
#define GLOVEBOX_EGRESS_SYNTHETIC_NAMES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "policy/host_name.h"
#include "policy/ip_address.h"

namespace glovebox {

// Addresses are of 198.18.0.0/15: no host has one (RFC 2544), and no tool takes one for itself, as
// with 127.0.0.0/8. A name keeps its address as long as the sandbox lives, also when the policy no
// longer knows it: a connection to it is then refused by name. It is drawn from the name, so that
// another proxy, which begins with none, gives it the same one again; only where two names draw the
// same one does it depend on which was asked for first. IPv4 alone: a sandbox always has it,
// a second address for each name would be a second attempt of each client, and no client that was
// tried asks for AAAA alone. Not thread-safe.
class SyntheticNames {
 public:
  static constexpr uint32_t kNamesMax = 16'384;
  // Of all names: a payload chooses them where the policy has a "*.".
  static constexpr size_t kBytesMax = size_t{1} << 20;

  // Whose name is given an address has to be permitted. Absent: there are too many names, or the
  // few places that this one could have are taken.
  std::optional<IpAddress> AddressOf(const HostName& name);

  // Null: the address stands for none.
  const HostName* NameOf(const IpAddress& address) const;

  // Whether an address could stand for a name: one that does not is no destination at all.
  static bool IsSynthetic(const IpAddress& address);

  size_t size() const { return names_.size(); }

 private:
  std::unordered_map<uint32_t, HostName> names_;           // by place; elements stay where they are
  std::unordered_map<std::string_view, uint32_t> places_;  // of names_' bytes
  size_t bytes_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_SYNTHETIC_NAMES_H_

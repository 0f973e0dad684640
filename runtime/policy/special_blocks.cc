// https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, whole
// (also entries that are globally reachable: none is a host that a package comes from), and ours.
#include "policy/ip_address.h"

namespace glovebox {

const std::vector<SpecialBlock>& SpecialBlocks() {
  constexpr bool kPrivate = true;
  static const std::vector<SpecialBlock>& blocks = *new std::vector<SpecialBlock>{
      {"0.0.0.0/8", "this network; Linux takes 0.0.0.0 for loopback", false},
      {"10.0.0.0/8", "private", kPrivate},
      {"100.64.0.0/10", "shared by carriers", kPrivate},
      {"127.0.0.0/8", "loopback", false},
      {"169.254.0.0/16", "link-local, with the metadata of clouds", false},
      {"172.16.0.0/12", "private", kPrivate},
      {"192.0.0.0/24", "protocol assignments", false},
      {"192.0.2.0/24", "documentation", false},
      {"192.31.196.0/24", "AS112", false},
      {"192.52.193.0/24", "AMT", false},
      {"192.88.99.0/24", "6to4 relays", false},
      {"192.168.0.0/16", "private", kPrivate},
      {"192.175.48.0/24", "AS112", false},
      {"198.18.0.0/15", "benchmarks, and the names of sandboxes", false},
      {"198.51.100.0/24", "documentation", false},
      {"203.0.113.0/24", "documentation", false},
      {"224.0.0.0/4", "multicast", false},
      {"240.0.0.0/4", "reserved, broadcast", false},

      {"::/96", "unspecified, loopback, compatible with IPv4", false},
      {"::ffff:0:0/96", "mapped from IPv4", false},
      {"64:ff9b::/96", "NAT64", kPrivate},  // with its IPv4 address judged as well
      {"64:ff9b:1::/48", "NAT64 of a network of its own", false},
      {"100::/64", "discarded", false},
      {"100:0:0:1::/64", "dummy", false},
      {"2001::/23", "protocol assignments, with Teredo and ORCHID", false},
      {"2001:db8::/32", "documentation", false},
      {"2002::/16", "6to4", false},
      {"2620:4f:8000::/48", "AS112", false},
      {"3fff::/20", "documentation", false},
      {"5f00::/16", "segment routing", false},
      {"fc00::/7", "private", kPrivate},
      {"fe80::/10", "link-local", false},
      {"fec0::/10", "site-local", false},
      {"ff00::/8", "multicast", false},

      // In no registry, or within what can be allowed.
      {"100.100.100.200/32", "metadata of Alibaba Cloud", false},
      {"168.63.129.16/32", "the platform of Azure", false},
      {"fd00:ec2::/32", "metadata of Amazon EC2", false},
      {"fd20:ce::254/128", "metadata of Google Cloud", false},
      {"fd00:c1::a9fe:a9fe/128", "metadata of Oracle Cloud", false},
  };
  return blocks;
}

}  // namespace glovebox

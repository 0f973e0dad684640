// What became of one connection that a payload asked for: v1.ConnectionRecord as values.
#ifndef GLOVEBOX_POLICY_EGRESS_RECORD_H_
#define GLOVEBOX_POLICY_EGRESS_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>

#include "policy/egress_policy.h"
#include "policy/ip_address.h"

namespace glovebox {

enum class EgressOutcome : uint32_t {
  kOpened = 1,   // bytes flow from here on
  kRefused = 2,  // by the policy; `denial` says why
  kClosed = 3,   // one that was opened, or whose destination did not answer
};

// Texts are printable ASCII. They are what a payload asked for, and say nothing that can be relied
// on but that it asked.
struct EgressRecord {
  uint64_t connection = 0;  // the same in all records of one, as long as the proxy lives
  EgressOutcome outcome = EgressOutcome::kOpened;
  EgressDenial denial = EgressDenial::kNone;  // of kRefused, and of kClosed when it was cut
  std::string host;                           // as asked for: a name or an address
  uint16_t port = 0;                          // as asked for; 0: a question to the name server
  std::optional<IpAddress> address;           // that was dialled
  std::string rule;                           // that allowed it
  std::string method;                         // of the first request, where seen
  std::string path;                           // likewise, without its query
  // The command that it was of, at most one: its number, or the id of the cgroup in which the
  // client's socket was made. 0: not known.
  uint32_t command = 0;
  uint64_t command_cgroup_id = 0;
  int64_t start_unix_ms = 0;
  uint64_t duration_ms = 0;  // from its start to this record
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
  // Records that were dropped before it: refusals of the same sandbox beyond a rate, and any
  // sandbox's while they were not taken fast enough.
  uint64_t lost = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_EGRESS_RECORD_H_

// What one client of the API may have and do at most. Values; docs/operations.md shows them.
#ifndef GLOVEBOX_POLICY_CLIENT_QUOTA_H_
#define GLOVEBOX_POLICY_CLIENT_QUOTA_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"

namespace glovebox {

// Of each principal that is no administrator.
struct ClientQuota {
  uint64_t sandboxes_max = 256;
  uint64_t running_execs_max = 1024;  // over all of its sandboxes
  uint64_t import_bytes_max = uint64_t{64}
                              << 30;   // on disk, of what it imported and did not delete
  uint64_t connections_max = 64;       // on the unix socket
  uint64_t open_streams_max = 512;     // followed output, waits, writes of input
  uint64_t calls_at_once_max = 64;     // that are being worked on, short ones
  uint64_t transfers_at_once_max = 4;  // imports, patches, creations from a repository, forks
  uint64_t requests_per_second = 500;  // twice as many in a burst
  uint64_t creates_per_second = 20;    // of sandboxes, by forks too; likewise
};

struct QuotaField {
  const char* name;
  uint64_t ClientQuota::*member;
};
constexpr std::array<QuotaField, 9> ClientQuotaFields() {
  return {{{"sandboxes_max", &ClientQuota::sandboxes_max},
           {"running_execs_max", &ClientQuota::running_execs_max},
           {"import_bytes_max", &ClientQuota::import_bytes_max},
           {"connections_max", &ClientQuota::connections_max},
           {"open_streams_max", &ClientQuota::open_streams_max},
           {"calls_at_once_max", &ClientQuota::calls_at_once_max},
           {"transfers_at_once_max", &ClientQuota::transfers_at_once_max},
           {"requests_per_second", &ClientQuota::requests_per_second},
           {"creates_per_second", &ClientQuota::creates_per_second}}};
}

// INVALID_ARGUMENT for a zero, which would shut every client out, and for what no host can give.
absl::Status Validate(const ClientQuota& quota);

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_CLIENT_QUOTA_H_

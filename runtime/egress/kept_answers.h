// What the host's name servers answered lately to one sandbox's connections.
#ifndef GLOVEBOX_EGRESS_KEPT_ANSWERS_H_
#define GLOVEBOX_EGRESS_KEPT_ANSWERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "policy/host_name.h"
#include "policy/ip_address.h"

namespace glovebox {

// Each sandbox has its own: by the time that an answer takes, one could tell what another asked
// for. An address that is kept is judged anew at each connection. Not thread-safe.
class KeptAnswers {
 public:
  static constexpr size_t kNamesMax = 64;
  static constexpr uint32_t kSecondsMax =
      30;  // however long its answer may be kept (RFC 1035, TTL)

  // Null: none, or no longer. Good until the next call.
  const std::vector<IpAddress>* Find(const HostName& name, int64_t now_ns);

  // Nothing is kept of an answer without addresses, or that says that it is not to be kept. Where
  // there are too many, the one that would be dropped first makes room.
  void Keep(const HostName& name, const std::vector<IpAddress>& addresses, uint32_t ttl_seconds,
            int64_t now_ns);

  // None of its addresses answered: the next connection asks anew.
  void Forget(const HostName& name) { answers_.erase(name); }

  size_t size() const { return answers_.size(); }

 private:
  struct Answer {
    std::vector<IpAddress> addresses;
    int64_t until_ns = 0;
  };
  std::map<HostName, Answer> answers_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_KEPT_ANSWERS_H_

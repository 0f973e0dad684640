#include "egress/kept_answers.h"

#include <algorithm>

namespace glovebox {

const std::vector<IpAddress>* KeptAnswers::Find(const HostName& name, int64_t now_ns) {
  const auto found = answers_.find(name);
  if (found == answers_.end()) return nullptr;
  if (found->second.until_ns > now_ns) return &found->second.addresses;
  answers_.erase(found);
  return nullptr;
}

void KeptAnswers::Keep(const HostName& name, const std::vector<IpAddress>& addresses,
                       uint32_t ttl_seconds, int64_t now_ns) {
  constexpr int64_t kNanosOfSecond = 1'000'000'000;
  if (addresses.empty() || ttl_seconds == 0) return;
  if (answers_.size() >= kNamesMax && !answers_.contains(name)) {
    answers_.erase(std::min_element(
        answers_.begin(), answers_.end(),
        [](const auto& a, const auto& b) { return a.second.until_ns < b.second.until_ns; }));
  }
  const int64_t seconds = std::min(ttl_seconds, kSecondsMax);
  answers_[name] = {addresses, now_ns + seconds * kNanosOfSecond};
}

}  // namespace glovebox

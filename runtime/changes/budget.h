// What one scan or one patch may use; the first excess is a typed error that names the limit and
// the place. One thread.
#ifndef GLOVEBOX_CHANGES_BUDGET_H_
#define GLOVEBOX_CHANGES_BUDGET_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"

namespace glovebox {

// RESOURCE_EXHAUSTED with `reason` and metadata limit, max, path.
absl::Status LimitError(absl::string_view reason, absl::string_view limit, uint64_t max,
                        absl::string_view path);

// A counter with a ceiling.
class Allowance {
 public:
  Allowance(absl::string_view reason, absl::string_view limit, uint64_t max)
      : reason_(reason), limit_(limit), max_(max) {}
  absl::Status Take(uint64_t amount, absl::string_view path);
  void GiveBack(uint64_t amount) { used_ -= amount; }
  uint64_t used() const { return used_; }

 private:
  absl::string_view reason_;  // literals
  absl::string_view limit_;
  uint64_t max_;
  uint64_t used_ = 0;
};

// A point in time after which Check fails.
class TimeAllowance {
 public:
  TimeAllowance(absl::string_view reason, int64_t time_ms_max, const Clock& clock);
  absl::Status Check(absl::string_view path) const;

 private:
  absl::string_view reason_;  // a literal
  int64_t time_ms_max_;
  const Clock& clock_;
  int64_t end_ns_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_BUDGET_H_

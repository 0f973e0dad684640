// So many of something in a second, and twice as many at once after a quiet time.
#ifndef GLOVEBOX_EGRESS_RATE_BUDGET_H_
#define GLOVEBOX_EGRESS_RATE_BUDGET_H_

#include <algorithm>
#include <cstdint>

namespace glovebox {

// Not thread-safe.
class RateBudget {
 public:
  explicit RateBudget(uint32_t per_second) : per_second_(per_second) { left_ = Most(); }

  void SetRate(uint32_t per_second) {
    per_second_ = per_second;
    left_ = std::min(left_, Most());
  }
  // Whether there is one left.
  bool Take(int64_t now_ns) {
    const int64_t passed_ns = std::clamp<int64_t>(now_ns - last_ns_, 0, 2 * kNanosOfSecond);
    last_ns_ = now_ns;
    left_ += std::min(Most() - left_, passed_ns * per_second_);  // no sum beyond 64 bits
    if (left_ < kNanosOfSecond) return false;
    left_ -= kNanosOfSecond;
    return true;
  }

 private:
  static constexpr int64_t kNanosOfSecond = 1'000'000'000;
  int64_t Most() const { return 2 * kNanosOfSecond * per_second_; }

  int64_t per_second_;
  int64_t left_ = 0;  // in billionths of one
  int64_t last_ns_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_RATE_BUDGET_H_

#include "policy/client_quota.h"

#include "absl/strings/str_cat.h"

namespace glovebox {

absl::Status Validate(const ClientQuota& quota) {
  constexpr uint64_t kMost = uint64_t{1} << 50;
  for (const QuotaField& field : ClientQuotaFields()) {
    const uint64_t value = quota.*field.member;
    if (value >= 1 && value <= kMost) continue;
    return absl::InvalidArgumentError(absl::StrCat(field.name, " must be 1 to 2^50"));
  }
  return absl::OkStatus();
}

}  // namespace glovebox

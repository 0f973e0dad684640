#include "service/paging.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/sha256.h"
#include "base/status.h"
#include "service/request_error.h"

namespace glovebox {
namespace {
constexpr size_t kChecksumBytes = 24;  // hex digits
}  // namespace

std::string PageTokens::Checksum(absl::string_view query, absl::string_view key) const {
  Sha256 sum;
  sum.UpdateField(nonce_);
  sum.UpdateField(query);
  sum.UpdateField(key);
  return sum.FinishHex().substr(0, kChecksumBytes);
}

std::string PageTokens::Make(absl::string_view query, absl::string_view last_key) const {
  return absl::WebSafeBase64Escape(absl::StrCat(Checksum(query, last_key), last_key));
}

absl::StatusOr<std::string> PageTokens::Read(absl::string_view query,
                                             absl::string_view token) const {
  if (token.empty()) return std::string();
  std::string bytes;
  if (absl::WebSafeBase64Unescape(token, &bytes) && bytes.size() > kChecksumBytes) {
    std::string key = bytes.substr(kChecksumBytes);
    if (Checksum(query, key) == bytes.substr(0, kChecksumBytes)) return key;
  }
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       "page_token: of another listing, or of an earlier run of the daemon; start "
                       "over without one",
                       {"PAGE_TOKEN_INVALID", {{"field", "page_token"}}});
}

absl::StatusOr<int32_t> PageSize(int32_t asked) {
  if (asked < 0) return FieldError("page_size", "must not be negative");
  if (asked == 0) return kPageSizeDefault;
  return asked < kPageSizeMax ? asked : kPageSizeMax;
}

std::string SortableKey(uint64_t number) { return absl::StrFormat("%020u", number); }

}  // namespace glovebox

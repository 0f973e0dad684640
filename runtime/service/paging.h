// Pages of a listing by key: what comes or goes between two pages moves nothing else.
#ifndef GLOVEBOX_SERVICE_PAGING_H_
#define GLOVEBOX_SERVICE_PAGING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

inline constexpr int32_t kPageSizeDefault = 100;
inline constexpr int32_t kPageSizeMax = 1000;
// Of the items of one page: clients refuse messages over 4 MiB unless told otherwise.
inline constexpr size_t kPageBytesMax = size_t{2} << 20;

// Makes and reads page tokens, which hold for one run of the daemon. Immutable; any thread.
class PageTokens {
 public:
  // `nonce`: different for each run, e.g. NewRandomId().
  explicit PageTokens(std::string nonce) : nonce_(std::move(nonce)) {}

  // `query` tells listings apart: the method and every other field of the request.
  std::string Make(absl::string_view query, absl::string_view last_key) const;
  // The key to go on after, "" for an empty token. INVALID_ARGUMENT, PAGE_TOKEN_INVALID.
  absl::StatusOr<std::string> Read(absl::string_view query, absl::string_view token) const;

 private:
  std::string Checksum(absl::string_view query, absl::string_view key) const;
  const std::string nonce_;
};

// INVALID_ARGUMENT for a negative size.
absl::StatusOr<int32_t> PageSize(int32_t asked);

// Gives the items after `after` to `take` until the page is full. `items` are in ascending order of
// `key_of`; `take` returns the bytes that the item needs. Returns the key to make a token of, ""
// when this was the last page.
template <typename Item>
std::string TakePage(const std::vector<Item>& items, absl::string_view after, int32_t size,
                     const std::function<std::string(const Item&)>& key_of,
                     const std::function<size_t(const Item&)>& take) {
  size_t bytes = 0;
  std::string last;
  for (const Item& item : items) {
    std::string key = key_of(item);
    if (!after.empty() && key <= after) continue;
    if (!last.empty() && (size == 0 || bytes >= kPageBytesMax)) return last;
    bytes += take(item);
    last = std::move(key);
    --size;
  }
  return "";
}

// A number as a key that sorts like it.
std::string SortableKey(uint64_t number);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_PAGING_H_

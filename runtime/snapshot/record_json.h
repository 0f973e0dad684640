// Reading record files: flat JSON objects of strings and unsigned numbers, from bytes that may be
// anything. Internal to the record files.
#ifndef GLOVEBOX_SNAPSHOT_RECORD_JSON_H_
#define GLOVEBOX_SNAPSHOT_RECORD_JSON_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace glovebox {

class RecordJson {
 public:
  static constexpr size_t kBytesMax = 64 * 1024;
  static constexpr int64_t kSecondsMax = 253402300799;  // 9999-12-31T23:59:59Z

  // DATA_LOSS when `json` is not a flat object with exactly these fields, and any of `optional`,
  // which are strings.
  static absl::StatusOr<RecordJson> Parse(absl::string_view json,
                                          const std::set<std::string>& strings,
                                          const std::set<std::string>& numbers,
                                          const std::set<std::string>& optional = {});

  bool Has(const std::string& name) const { return strings_.count(name) != 0; }
  const std::string& String(const std::string& name) const { return strings_.at(name); }
  uint64_t Number(const std::string& name) const { return numbers_.at(name); }

  void SetString(const std::string& name, absl::string_view value);
  void SetNumber(const std::string& name, uint64_t value) { numbers_[name] = value; }

  // Fields sorted by name, one a line; bytes that are not UTF-8 become U+FFFD.
  std::string Format() const;

 private:
  std::map<std::string, std::string> strings_;
  std::map<std::string, uint64_t> numbers_;
};

absl::Status RecordError(absl::string_view why);  // DATA_LOSS with reason RECORD_INVALID

// Exactly `digits` of [0-9a-f].
bool IsLowerHex(absl::string_view text, size_t digits);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_RECORD_JSON_H_

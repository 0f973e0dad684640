// Numbers with units as people type them: the one place that reads and writes them.
#ifndef GLOVEBOX_TOOLS_SIZES_H_
#define GLOVEBOX_TOOLS_SIZES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace glovebox {

// "1GiB", "512M", "1g", "4096", "0.5GiB": a decimal number and a unit, both without blanks or sign.
// Every unit is a power of 1024, with or without "i" and "B", in any case. INVALID_ARGUMENT unless
// it is a whole number of bytes of 1 to 2^63 - 1.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);

// "10s", "1m30s", "250ms", "1h", "1.5s": Go's form. INVALID_ARGUMENT unless it is 1 ms to 10 years;
// a bare number is refused, because nobody can tell its unit.
absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view text);

// "1", "0.5", "1.25": CPUs as thousandths of one; at most three decimals, greater than 0 and at
// most 4,096 CPUs.
absl::StatusOr<uint64_t> ParseCpuMillis(absl::string_view text);

// A count of 1 to `most`, decimal digits only.
absl::StatusOr<uint64_t> ParseCount(absl::string_view text, uint64_t most);

// "1 GiB", "1.5 MiB", "512 B": one decimal unless it is whole.
std::string FormatSize(uint64_t bytes);

// "10s", "1m30s", "1.234s", "12ms".
std::string FormatSeconds(absl::Duration duration);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_SIZES_H_

#include "tools/glovebox/sizes.h"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace glovebox {
namespace {

constexpr uint64_t kBytesMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

struct Decimal {
  uint64_t whole = 0;
  uint64_t fraction = 0;  // in units of 1 / scale
  uint64_t scale = 1;
  absl::string_view rest;
};

absl::Status Refuse(absl::string_view what, absl::string_view text, absl::string_view rule) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", EscapeForPeople(text.substr(0, 80)), "\": ", rule));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// At most 18 digits before the point and 9 behind it, so that no sum below can overflow.
bool TakeDecimal(absl::string_view text, Decimal* out) {
  size_t at = 0;
  while (at < text.size() && IsDigit(text[at])) {
    if (at >= 18) return false;
    out->whole = out->whole * 10 + static_cast<uint64_t>(text[at++] - '0');
  }
  if (at == 0) return false;
  if (at < text.size() && text[at] == '.') {
    const size_t point = at++;
    while (at < text.size() && IsDigit(text[at])) {
      if (at - point > 9) return false;
      out->fraction = out->fraction * 10 + static_cast<uint64_t>(text[at++] - '0');
      out->scale *= 10;
    }
    if (at == point + 1) return false;
  }
  out->rest = text.substr(at);
  return true;
}

// Bits to shift for a unit, or -1.
int UnitShift(absl::string_view unit) {
  if (unit.empty() || absl::EqualsIgnoreCase(unit, "b")) return 0;
  constexpr absl::string_view kLetters = "kmgtp";
  const size_t index = kLetters.find(absl::ascii_tolower(static_cast<unsigned char>(unit[0])));
  if (index == absl::string_view::npos) return -1;
  const absl::string_view tail = unit.substr(1);
  if (!tail.empty() && !absl::EqualsIgnoreCase(tail, "b") && !absl::EqualsIgnoreCase(tail, "ib") &&
      !absl::EqualsIgnoreCase(tail, "i")) {
    return -1;
  }
  return static_cast<int>(index + 1) * 10;
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(absl::string_view text) {
  constexpr absl::string_view kRule = "not a size; write e.g. 512MiB, 1g or 4096";
  Decimal number;
  if (!TakeDecimal(text, &number)) return Refuse("size", text, kRule);
  const int shift = UnitShift(number.rest);
  if (shift < 0) return Refuse("size", text, kRule);
  const unsigned __int128 unit = static_cast<unsigned __int128>(1) << shift;
  const unsigned __int128 parts = number.fraction * unit;
  if (parts % number.scale != 0) return Refuse("size", text, "not a whole number of bytes");
  const unsigned __int128 bytes = number.whole * unit + parts / number.scale;
  if (bytes == 0 || bytes > kBytesMost) return Refuse("size", text, "must be 1 byte to 8 EiB");
  return static_cast<uint64_t>(bytes);
}

absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view text) {
  absl::Duration duration;
  const bool bare = !text.empty() && IsDigit(text.back());
  if (bare || text.empty() || text[0] == '+' || text[0] == '-' ||
      !absl::ParseDuration(text, &duration)) {
    return Refuse("duration", text, "write e.g. 10s, 1m30s or 250ms");
  }
  if (duration < absl::Milliseconds(1) || duration > absl::Hours(24 * 3650)) {
    return Refuse("duration", text, "must be 1 ms to 10 years");
  }
  return duration;
}

absl::StatusOr<uint64_t> ParseCpuMillis(absl::string_view text) {
  constexpr uint64_t kMillis = 1000;
  Decimal number;
  if (!TakeDecimal(text, &number) || !number.rest.empty() || number.whole > 4096 ||
      number.fraction * kMillis % number.scale != 0) {
    return Refuse("CPUs", text, "write e.g. 1, 0.5 or 1.25, with at most three decimals");
  }
  const uint64_t millis = number.whole * kMillis + number.fraction * kMillis / number.scale;
  if (millis == 0) return Refuse("CPUs", text, "must be greater than 0");
  return millis;
}

absl::StatusOr<uint64_t> ParseCount(absl::string_view text, uint64_t most) {
  Decimal number;
  if (!TakeDecimal(text, &number) || !number.rest.empty() || number.scale != 1 ||
      number.whole == 0 || number.whole > most) {
    return Refuse("number", text, absl::StrCat("must be 1 to ", most));
  }
  return number.whole;
}

std::string FormatSize(uint64_t bytes) {
  constexpr std::array<const char*, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  uint64_t divisor = 1;
  while (unit + 1 < kUnits.size() && bytes / divisor >= 1024) {
    divisor <<= 10;
    ++unit;
  }
  std::array<char, 48> out{};
  if (bytes % divisor == 0) {
    (void)std::snprintf(out.data(), out.size(), "%" PRIu64 " %s", bytes / divisor, kUnits[unit]);
  } else {
    const double value = static_cast<double>(bytes) / static_cast<double>(divisor);
    (void)std::snprintf(out.data(), out.size(), "%.1f %s", value, kUnits[unit]);
  }
  return out.data();
}

std::string FormatSeconds(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

}  // namespace glovebox

#include "base/ids.h"

#include <sys/random.h>

#include <array>
#include <cctype>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

bool IsLowerHex(absl::string_view text) {
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

bool IsLowerAlnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); }

absl::Status BadName(absl::string_view what, absl::string_view text, absl::string_view rule) {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat(what, " \"", EscapeForPeople(text.substr(0, 80)), "\" ", rule),
                       {"INVALID_FIELD", {{"field", std::string(what)}}});
}

}  // namespace

std::string NewRandomId() {
  std::array<char, 16> bytes{};
  // At most 256 bytes from an initialised pool: the kernel neither blocks nor shortens the read.
  const ssize_t count = ::getrandom(bytes.data(), bytes.size(), 0);
  if (count != static_cast<ssize_t>(bytes.size())) std::abort();
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

absl::StatusOr<std::string> ParseSandboxId(absl::string_view text) {
  if (text.size() != 32 || !IsLowerHex(text)) {
    return BadName("sandbox id", text, "is not 32 lower-case hex digits");
  }
  return std::string(text);
}

absl::StatusOr<std::string> ParseClientName(absl::string_view text, absl::string_view what) {
  constexpr absl::string_view kRule =
      "must be 1 to 63 of a-z, 0-9, '.', '_', '-', beginning and ending with a letter or digit";
  if (text.empty() || text.size() > 63) return BadName(what, text, kRule);
  if (!IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) return BadName(what, text, kRule);
  for (char c : text) {
    if (!IsLowerAlnum(c) && c != '.' && c != '_' && c != '-') return BadName(what, text, kRule);
  }
  return std::string(text);
}

absl::StatusOr<std::string> ParseDigest(absl::string_view text) {
  absl::string_view hex = text;
  if (!absl::ConsumePrefix(&hex, "sha256:") || hex.size() != 64 || !IsLowerHex(hex)) {
    return BadName("digest", text, "is not \"sha256:\" and 64 lower-case hex digits");
  }
  return std::string(text);
}

}  // namespace glovebox

#include "changes/journal_cursor.h"

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/sha256.h"
#include "base/status.h"
#include "changes/journal_record.h"

namespace glovebox {
namespace {

constexpr absl::string_view kVersion = "c1.";
constexpr size_t kChecksumBytes = 8;
constexpr size_t kTextBytesMax = 128;

std::string Checksum(absl::string_view subject, absl::string_view point) {
  Sha256 sha256;
  sha256.Update(absl::StrCat(kVersion, subject, "\n", point));
  const std::array<uint8_t, 32> digest = sha256.Finish();
  return std::string(reinterpret_cast<const char*>(digest.data()), kChecksumBytes);
}

}  // namespace

std::string EncodeCursor(absl::string_view subject, const JournalPoint& point) {
  JournalWriter writer;
  writer.Number(point.generation);
  writer.Number(point.sequence);
  const std::string bytes = writer.Take();
  return absl::StrCat(kVersion,
                      absl::WebSafeBase64Escape(absl::StrCat(bytes, Checksum(subject, bytes))));
}

absl::StatusOr<JournalPoint> DecodeCursor(absl::string_view subject, absl::string_view text) {
  const auto invalid = [] {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         "the cursor is none that was handed out for this sandbox and root; ask "
                         "without one",
                         {"CURSOR_INVALID", {{"field", "cursor"}}});
  };
  std::string bytes;
  if (text.size() > kTextBytesMax || !absl::ConsumePrefix(&text, kVersion) ||
      !absl::WebSafeBase64Unescape(text, &bytes) || bytes.size() != 16 + kChecksumBytes) {
    return invalid();
  }
  const absl::string_view point_bytes = absl::string_view(bytes).substr(0, 16);
  if (absl::string_view(bytes).substr(16) != Checksum(subject, point_bytes)) return invalid();
  JournalReader reader(point_bytes);
  JournalPoint point;
  point.generation = reader.Number();
  point.sequence = reader.Number();
  return point;
}

}  // namespace glovebox

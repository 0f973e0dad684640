// The text form of a point of a journal, as clients hold it.
#ifndef GLOVEBOX_CHANGES_JOURNAL_CURSOR_H_
#define GLOVEBOX_CHANGES_JOURNAL_CURSOR_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct JournalPoint {
  uint64_t generation = 0;  // random, of one journal; another one knows nothing of its points
  uint64_t sequence = 0;
  friend bool operator==(const JournalPoint&, const JournalPoint&) = default;
};

// The sequence of a point whose state is not kept: what is asked since then is the whole.
inline constexpr uint64_t kUnknownSequence = UINT64_MAX;

// `subject`: whose journal it is; a cursor is of no use with another one. The text has no secret
// and gives no right: it only names a point, and the checksum finds what is no cursor.
std::string EncodeCursor(absl::string_view subject, const JournalPoint& point);
// INVALID_ARGUMENT with reason CURSOR_INVALID for what EncodeCursor did not make for `subject`.
absl::StatusOr<JournalPoint> DecodeCursor(absl::string_view subject, absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_JOURNAL_CURSOR_H_

// The lines of a patch, one after the other, with their numbers.
#ifndef GLOVEBOX_PATCH_LINE_CURSOR_H_
#define GLOVEBOX_PATCH_LINE_CURSOR_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace glovebox {

// Not thread-safe.
class LineCursor {
 public:
  explicit LineCursor(absl::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  // From 1; of the line that Peek shows.
  uint64_t number() const { return number_; }

  // The next line with its "\n", if it has one; "" at the end.
  absl::string_view PeekRaw() const { return rest_.substr(0, RawSize()); }
  // Without it.
  absl::string_view Peek() const {
    absl::string_view line = PeekRaw();
    if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    return line;
  }
  void Skip() {
    rest_.remove_prefix(RawSize());
    ++number_;
  }
  absl::string_view TakeRaw() {
    const absl::string_view line = PeekRaw();
    Skip();
    return line;
  }

 private:
  size_t RawSize() const {
    const size_t end = rest_.find('\n');
    return end == absl::string_view::npos ? rest_.size() : end + 1;
  }

  absl::string_view rest_;
  uint64_t number_ = 1;
};

}  // namespace glovebox

#endif  // GLOVEBOX_PATCH_LINE_CURSOR_H_

// How far an import is, on stderr, for people only.
#ifndef GLOVEBOX_TOOLS_PROGRESS_H_
#define GLOVEBOX_TOOLS_PROGRESS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "glovebox/v1/types.pb.h"

namespace glovebox {

// "unpacking  [#####-----]  50 %  12 MiB of 24 MiB", without colours or control characters. Pure.
std::string ProgressText(const v1::ImportProgress& progress);
// The same with another word for what is done.
std::string ProgressText(absl::string_view doing, const v1::ImportProgress& progress);

// Keeps one line up to date while it lives; silent unless stderr is a terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void Show(const v1::ImportProgress& progress);
  // What this side does; at most ten times a second.
  void ShowAs(absl::string_view doing, const v1::ImportProgress& progress);
  // Any words, escaped, cut to the terminal's width.
  void ShowText(absl::string_view text);

 private:
  void Write(absl::string_view text);

  const bool wanted_;
  bool shown_ = false;
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_PROGRESS_H_

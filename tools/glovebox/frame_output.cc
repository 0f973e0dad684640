#include "tools/glovebox/frame_output.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {

absl::Status FrameOutput::WriteStamped(int fd, const v1::Frame& frame, const std::string& bytes) {
  if (!timestamps) return WriteOut(fd, bytes);
  const std::string stamp = absl::StrFormat("[%d.%06d] ", frame.monotonic_ns() / 1'000'000'000,
                                            frame.monotonic_ns() % 1'000'000'000 / 1000);
  std::string out;
  bool& in_line = in_line_[fd];
  for (const char c : bytes) {
    if (!in_line) out += stamp;
    out += c;
    in_line = c != '\n';
  }
  return WriteOut(fd, out);
}

absl::Status FrameOutput::Write(const v1::Frame& frame) {
  if (frame.has_gap()) {
    Note(absl::StrCat(FormatSize(frame.gap().bytes()),
                      " of output are missing: no longer retained"));
  }
  if (json) {
    if (frame.item_case() == v1::Frame::ITEM_NOT_SET) return absl::OkStatus();
    return WriteOut(STDOUT_FILENO, OneLine(FrameJson(frame)));
  }
  switch (frame.item_case()) {
    case v1::Frame::kStdout:
      return WriteStamped(STDOUT_FILENO, frame, frame.stdout());
    case v1::Frame::kStderr:
      return WriteStamped(STDERR_FILENO, frame, frame.stderr());
    case v1::Frame::kTerminal:
      return WriteStamped(STDOUT_FILENO, frame, frame.terminal());
    case v1::Frame::kStarted:
    case v1::Frame::kGap:
    case v1::Frame::kNotice:
    case v1::Frame::kCommandStarted:
    case v1::Frame::kCommandEnded:
    case v1::Frame::kEnd:
    case v1::Frame::ITEM_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

}  // namespace glovebox

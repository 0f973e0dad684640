// Frames on their way to stdout and stderr.
#ifndef GLOVEBOX_TOOLS_FRAME_OUTPUT_H_
#define GLOVEBOX_TOOLS_FRAME_OUTPUT_H_

#include "absl/status/status.h"
#include "glovebox/v1/frame.pb.h"

namespace glovebox {

struct FrameOutput {
  bool json = false;        // each frame as a line of JSON on stdout
  bool timestamps = false;  // "[seconds since boot] " in front of each line of output

  // The bytes of output, unchanged; what is missing as a note on stderr. An error of write(2) as
  // WriteOut gives it.
  absl::Status Write(const v1::Frame& frame);

 private:
  absl::Status WriteStamped(int fd, const v1::Frame& frame, const std::string& bytes);
  bool in_line_[3] = {false, false, false};  // by descriptor
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_FRAME_OUTPUT_H_

// One "literal" of a GIT binary patch: the whole content, deflated, in base 85 lines of at most 52
// bytes (git's base85.c and diff.c), written while it is fed. Holds a few hundred KiB at any size.
#ifndef GLOVEBOX_CHANGES_BINARY_LITERAL_H_
#define GLOVEBOX_CHANGES_BINARY_LITERAL_H_

#include <zlib.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "changes/patch_writer.h"

namespace glovebox {

class BinaryLiteral {
 public:
  // Exactly `size_bytes` bytes are to be fed. What `sink` refers to must outlive this.
  BinaryLiteral(uint64_t size_bytes, PatchSink sink);
  ~BinaryLiteral();
  BinaryLiteral(const BinaryLiteral&) = delete;
  BinaryLiteral& operator=(const BinaryLiteral&) = delete;

  absl::Status Feed(absl::string_view bytes);
  absl::Status Finish();

 private:
  absl::Status Deflate(absl::string_view bytes, int flush);
  absl::Status WriteLines(bool last);

  PatchSink sink_;
  z_stream stream_{};
  bool ready_ = false;
  std::string head_;     // "literal <size>\n" until it is written
  std::string pending_;  // deflated bytes that do not fill a line yet
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_BINARY_LITERAL_H_

// Hunks of a text file, by libgit2 on buffers. The only user of libgit2.
#ifndef GLOVEBOX_CHANGES_TEXT_HUNKS_H_
#define GLOVEBOX_CHANGES_TEXT_HUNKS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "changes/patch_writer.h"

namespace glovebox {

// As git decides: a NUL among the first 8,000 bytes.
bool LooksBinary(absl::string_view content);

struct LineCounts {
  uint64_t insertions = 0;
  uint64_t deletions = 0;
};

// Holds libgit2 open: starting it costs 3 ms, so one for a whole patch. One thread; several may
// exist at a time, libgit2 counts them.
class TextDiffer {
 public:
  TextDiffer();
  ~TextDiffer();
  TextDiffer(const TextDiffer&) = delete;
  TextDiffer& operator=(const TextDiffer&) = delete;

  // Writes the hunks that turn `old_text` into `new_text`.
  absl::StatusOr<LineCounts> WriteHunks(absl::string_view old_text, absl::string_view new_text,
                                        uint32_t context_lines, PatchSink sink) const;

 private:
  bool ready_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_TEXT_HUNKS_H_

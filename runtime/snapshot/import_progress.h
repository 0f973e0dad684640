// Progress of an import from what its worker writes to stderr: our phase marks, git's
// progress lines and glovebox-importer's. The bytes are untrusted: anything else is skipped, and
// numbers are only shown.
#ifndef GLOVEBOX_SNAPSHOT_IMPORT_PROGRESS_H_
#define GLOVEBOX_SNAPSHOT_IMPORT_PROGRESS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "snapshot/git_import.h"

namespace glovebox {

class ImportProgressParser {
 public:
  static constexpr size_t kLineBytesMax = 512;

  explicit ImportProgressParser(ImportProgressCallback callback);

  // Takes the next piece, cut anywhere; calls back for each line that changes the state.
  void Feed(absl::string_view bytes);

 private:
  void Line();

  const ImportProgressCallback callback_;
  ImportProgress progress_;
  std::string line_;  // at most kLineBytesMax; the rest of a longer line is dropped
};

// The line of `stderr_tail` that says why git or tar ended: the last one that begins with "fatal:",
// "error:" or "tar:", else the last one; escaped, at most 300 bytes.
std::string LastWords(absl::string_view stderr_tail);

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_IMPORT_PROGRESS_H_

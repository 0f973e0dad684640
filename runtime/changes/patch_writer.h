// A list of changes as a patch: what `git diff --binary --full-index --no-renames` prints (with
// renames as --find-renames does, when the list has some), accepted by `git apply --index` on a
// clean checkout of the lower layers. git's objects and configuration are never touched: libgit2
// compares buffers, ids are computed from the bytes on disk.
//
// Bytes are taken as they are checked out. Of a file that git checks out otherwise than it keeps it
// (eol=crlf, ident, working-tree-encoding, autocrlf, LFS) or in a SHA-256 repository the ids are
// not the repository's: with such a file changed or removed, `git apply --index` refuses the patch.
#ifndef GLOVEBOX_CHANGES_PATCH_WRITER_H_
#define GLOVEBOX_CHANGES_PATCH_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "changes/change.h"

namespace glovebox {

struct PatchLimits {
  // Up to this size (each side) a text file is compared by lines and held in memory, both sides.
  uint64_t text_bytes_max = 16ull << 20;
  // With more lines than this (both sides together) a text file is treated as binary: comparing by
  // lines is worse than linear.
  uint64_t text_lines_max = 1'000'000;
  // Larger files up to this size are binary literals, streamed; beyond it they are skipped.
  uint64_t file_bytes_max = 256ull << 20;
  uint64_t output_bytes_max = 4ull << 30;
  int64_t time_ms_max = 300'000;
  uint32_t context_lines = 3;  // git apply takes a patch with 0 by --unidiff-zero only
};

enum class SkipReason {
  kSpecialFile,       // FIFO, socket or device: git has no such thing
  kEmptyDirectory,    // git does not track directories; or in a submodule, or in place of one
  kTooLarge,          // over file_bytes_max on either side
  kRefusedByGit,      // a name git apply does not accept (".git" in any disguise), or too long
  kChangedMeanwhile,  // is no longer what the list says; freeze, scan and write again
};
absl::string_view SkipReasonName(SkipReason reason);

struct SkippedEntry {
  std::string path;
  SkipReason reason = SkipReason::kSpecialFile;
  uint64_t size_bytes = 0;  // for kTooLarge: the larger side
};

struct FileSummary {
  std::string path;
  ChangeLetter letter = ChangeLetter::kModified;
  uint64_t insertions = 0;  // lines; 0 for binary files
  uint64_t deletions = 0;
  bool binary = false;
};

struct PatchSummary {
  std::vector<FileSummary> files;  // in the patch, in its order
  std::vector<SkippedEntry> skipped;
  uint64_t insertions = 0;
  uint64_t deletions = 0;
  uint64_t output_bytes = 0;
};

// Receives the patch piece by piece. A status that is not OK ends the writing and is returned.
using PatchSink = absl::FunctionRef<absl::Status(absl::string_view)>;

// `changes` is ScanUpper's or FindRenames' result for the same layers. What the sink got before an
// error is no patch and must be dropped. Errors:
//   RESOURCE_EXHAUSTED, reason PATCH_LIMIT, metadata limit (output_bytes, time_ms), max, path.
//   ABORTED, reason FILE_KEPT_CHANGING, metadata path: a streamed file changed between the
//     computation of its id and its copy; freeze the sandbox and try again.
//   FAILED_PRECONDITION, reason OVERLAY_FEATURE: a file has user.overlay.metacopy, which overlayfs
//     does not let a payload set.
absl::StatusOr<PatchSummary> WritePatch(const Layers& layers, const std::vector<Change>& changes,
                                        const PatchLimits& limits, const Clock& clock,
                                        PatchSink sink);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_PATCH_WRITER_H_

// Where the hunks of a patch fit in a file, and what comes of it. Pure functions.
//
// git's hunks are looked for as git apply does: at the line that the hunk names, then nearer and
// farther from it in turn; one that begins at line 1 fits at the beginning only, one without
// context at its end fits at the end only. Hunks keep their order. With fuzz, as many lines of
// context may differ as the caller allows (a file keeps its own), fewer than those that are the
// same; and where a hunk ends counts no more.
//
// Hunks of the agent format fit at the first place after the one before, behind their anchors,
// where all lines are the same; with fuzz as many may differ in the white space at their end, then
// also at their beginning. Ends of lines are those of the file.
#ifndef GLOVEBOX_PATCH_HUNK_MATCH_H_
#define GLOVEBOX_PATCH_HUNK_MATCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "patch/patch.h"

namespace glovebox {

inline constexpr uint32_t kFuzzLinesMax = 3;
// Of what a hunk expects, and of what is there, in a report.
inline constexpr size_t kReportedTextBytesMax = 2048;

struct HunkReport {
  std::string path;
  uint32_t hunk = 0;
  uint64_t patch_line = 0;
  bool applied = false;
  uint64_t line = 0;  // where, or the nearest match; 0: none
  uint32_t fuzz_lines = 0;
  std::string expected, found;  // when it does not fit
};

// One report per hunk. nullopt: not all fit.
std::optional<std::string> ApplyHunks(absl::string_view content, const FilePatch& file,
                                      uint32_t fuzz_lines_max, std::vector<HunkReport>* reports);

// For a file that is not there: none fits.
void ReportAllMissing(const FilePatch& file, std::vector<HunkReport>* reports);

// The line, from 1, that begins what is most like `lines` in the file; 0: nothing is. `near`: of
// two that are alike the one that is nearer to this index.
uint64_t NearestLine(const std::vector<absl::string_view>& file,
                     const std::vector<absl::string_view>& lines, size_t near);

// With their "\n".
std::vector<absl::string_view> SplitLines(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_PATCH_HUNK_MATCH_H_

// Comparisons of sandboxes for people. Pure; all bytes from sandboxes are escaped.
#ifndef GLOVEBOX_TOOLS_COMPARE_TEXT_H_
#define GLOVEBOX_TOOLS_COMPARE_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "glovebox/v1/change.pb.h"

namespace glovebox {

// "exited 0", "timed_out, exited 143", "running", "-" for none.
std::string OutcomeText(const v1::SandboxOutcome& outcome, bool exec_chosen);

// Two tables: a line per sandbox, with a number; then a line per path, with what each sandbox has
// there: "." what it was, else the same number for the same content. Of many sandboxes the counts
// alone. `execs_chosen` one per sandbox.
std::string CompareTable(const v1::CompareSandboxesResponse& response,
                         const std::vector<bool>& execs_chosen, bool bold_head);

// One version of a path, and what is shown of it.
struct PatchColumn {
  std::string title;
  std::string text;  // raw, many lines
};

// Columns side by side when each gets at least 30 of `width` characters, else one after another.
std::string SideBySide(const std::vector<PatchColumn>& columns, size_t width);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_COMPARE_TEXT_H_

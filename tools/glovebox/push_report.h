// What `git push --porcelain` says became of a branch.
#ifndef GLOVEBOX_TOOLS_PUSH_REPORT_H_
#define GLOVEBOX_TOOLS_PUSH_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

enum class PushResult {
  kCreated,
  kUpdated,
  kForced,     // what was there is not in it
  kUnchanged,  // it was there already
  kElsewhere,  // refused: what is there is not in it, or not known here
  kRefused,    // by the target
  kUnknown,    // git failed before
};

struct PushReport {
  PushResult result = PushResult::kUnknown;
  std::string reason;  // of kRefused, in the target's words; any bytes
};

// The line of `reference`, with "!" or another flag in front (git-push(1), OUTPUT); any bytes.
PushReport ParsePushReport(absl::string_view output, absl::string_view reference);

// "created", "updated", "forced", "unchanged"; "" of the others.
absl::string_view PushWord(PushResult result);

// What kElsewhere and kRefused mean for the user: FAILED_PRECONDITION with a remedy.
absl::Status PushRefusal(const PushReport& report, absl::string_view branch,
                         absl::string_view repository);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_PUSH_REPORT_H_

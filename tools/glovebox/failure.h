// Errors on their way to the person.
#ifndef GLOVEBOX_TOOLS_FAILURE_H_
#define GLOVEBOX_TOOLS_FAILURE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// Whether the daemon sent this reason (glovebox/v1/errors.proto, without "ERROR_REASON_").
bool HasReason(const absl::Status& status, absl::string_view reason);

// "glovebox: what: message" and, when there is one, "  remedy" on the next line; every byte from
// outside escaped.
std::string DescribeFailure(absl::string_view what, const absl::Status& status);

// Writes DescribeFailure to stderr and returns `exit_code`.
int Fail(absl::string_view what, const absl::Status& status, int exit_code);

// "glovebox: text" on stderr; `text` must already be escaped.
void Note(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_FAILURE_H_

#include "service/request_error.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {

absl::Status FieldError(absl::string_view field, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, ": ", why),
                       {"INVALID_FIELD", {{"field", std::string(field)}}});
}

absl::Status FieldNotServed(absl::string_view field) {
  return DetailedError(absl::StatusCode::kUnimplemented,
                       absl::StrCat(field, ": not served by this release; leave it out"),
                       {"FIELD_NOT_SERVED", {{"field", std::string(field)}}});
}

absl::Status TooManyCalls() {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       "the daemon has too many calls in hand; try again a little later",
                       {"TOO_MANY_CALLS", {}});
}

absl::Status CallCancelled() {
  return DetailedError(absl::StatusCode::kCancelled, "the client cancelled the call",
                       {"CALL_CANCELLED", {}});
}

}  // namespace glovebox

// Errors of one field of a policy.
#ifndef GLOVEBOX_POLICY_FIELD_ERROR_H_
#define GLOVEBOX_POLICY_FIELD_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status.h"

namespace glovebox {

// INVALID_ARGUMENT, INVALID_FIELD. `why`: what would be right.
inline absl::Status WrongField(absl::string_view field, absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, ": ", why),
                       {"INVALID_FIELD", {{"field", std::string(field)}}});
}

}  // namespace glovebox

#endif  // GLOVEBOX_POLICY_FIELD_ERROR_H_

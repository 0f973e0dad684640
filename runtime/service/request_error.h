// Refusals of requests, before anything is done.
#ifndef GLOVEBOX_SERVICE_REQUEST_ERROR_H_
#define GLOVEBOX_SERVICE_REQUEST_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// INVALID_ARGUMENT, INVALID_FIELD: `field` as in the proto ("spec.arguments"), `why` a sentence
// that says what would be right.
absl::Status FieldError(absl::string_view field, absl::string_view why);

// UNIMPLEMENTED, FIELD_NOT_SERVED.
absl::Status FieldNotServed(absl::string_view field);

// RESOURCE_EXHAUSTED, TOO_MANY_CALLS: the queue of work is full.
absl::Status TooManyCalls();

// CANCELLED, CALL_CANCELLED: nobody waits for the answer any more.
absl::Status CallCancelled();

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_REQUEST_ERROR_H_

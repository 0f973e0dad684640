// Errors of Glovebox's libraries: absl::Status with, where it helps the caller, a reason, an errno,
// a set-up step and a remedy attached. The service layer turns these into google.rpc.ErrorInfo.
#ifndef GLOVEBOX_BASE_STATUS_H_
#define GLOVEBOX_BASE_STATUS_H_

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// What a client can act on without reading the message. `reason` is UPPER_SNAKE_CASE and stable
// (google.rpc.ErrorInfo.reason); metadata keys are lower_snake_case: errno, step, remedy, path,
// limit, ...
struct ErrorDetail {
  std::string reason;
  std::map<std::string, std::string> metadata;
};

// A status that carries `detail`. The detail survives copies of the status.
absl::Status DetailedError(absl::StatusCode code, absl::string_view message,
                           const ErrorDetail& detail);

// The detail of `status`, if it has one.
std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status);

// "what: strerror(error)", with the code that fits the errno; `what` names the call and its
// arguments. The detail has reason SYSTEM_CALL_FAILED and metadata errno.
absl::Status ErrnoError(int error, absl::string_view what);

// Prefixes the message, keeps code and detail.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix);

}  // namespace glovebox

// NOLINTBEGIN(bugprone-macro-parentheses): `lhs` may be a declaration
#define GLOVEBOX_CONCAT_INNER_(a, b) a##b
#define GLOVEBOX_CONCAT_(a, b) GLOVEBOX_CONCAT_INNER_(a, b)

#define RETURN_IF_ERROR(expr)                           \
  do {                                                  \
    if (absl::Status status_ = (expr); !status_.ok()) { \
      return status_;                                   \
    }                                                   \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
  GLOVEBOX_ASSIGN_OR_RETURN_(GLOVEBOX_CONCAT_(status_or_, __LINE__), lhs, expr)
#define GLOVEBOX_ASSIGN_OR_RETURN_(result, lhs, expr)  \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses)

#endif  // GLOVEBOX_BASE_STATUS_H_

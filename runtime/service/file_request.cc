#include "service/file_request.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr size_t kPathBytesMax = 4095;

}  // namespace

absl::Status CheckFilePath(absl::string_view path, absl::string_view field) {
  if (!path.empty() && path.size() <= kPathBytesMax && !absl::StrContains(path, '\0')) {
    return absl::OkStatus();
  }
  return DetailedError(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat(field, " is a path of 1 to ", kPathBytesMax, " bytes without NUL"),
      {"PATH_INVALID", {{"field", std::string(field)}}});
}

absl::Status CheckFileMode(std::optional<uint32_t> mode) {
  return mode.value_or(0) <= 0777 ? absl::OkStatus()
                                  : FieldError("mode", "has permission bits only, at most 0777");
}

absl::Status CheckExpectedDigest(const std::optional<std::string>& digest) {
  if (!digest.has_value()) return absl::OkStatus();
  return ParseDigest(*digest).status();
}

absl::Status UnreadableAnswer() {
  return DetailedError(absl::StatusCode::kAborted,
                       "the program that works on files in the sandbox answered nonsense; look "
                       "before you try again",
                       {"FILES_INTERRUPTED", {}});
}

}  // namespace glovebox

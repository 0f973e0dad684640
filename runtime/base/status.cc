#include "base/status.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

// One payload: "reason\0key\0value\0key\0value\0"; NUL cannot occur in a reason, key or C error
// text.
constexpr absl::string_view kDetailUrl = "glovebox/error_detail";

void AppendField(std::string* out, absl::string_view field) {
  for (char c : field) {
    if (c != '\0') out->push_back(c);
  }
  out->push_back('\0');
}

}  // namespace

absl::Status DetailedError(absl::StatusCode code, absl::string_view message,
                           const ErrorDetail& detail) {
  std::string flat;
  AppendField(&flat, detail.reason);
  for (const auto& [key, value] : detail.metadata) {
    AppendField(&flat, key);
    AppendField(&flat, value);
  }
  absl::Status status(code, message);
  status.SetPayload(kDetailUrl, absl::Cord(flat));
  return status;
}

std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status) {
  auto payload = status.GetPayload(kDetailUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::string flat(*payload);
  ErrorDetail detail;
  std::string key;
  int field = 0;
  for (size_t start = 0; start < flat.size(); ++field) {
    const size_t end = flat.find('\0', start);
    std::string value = flat.substr(start, end - start);
    start = end + 1;
    if (field == 0) {
      detail.reason = std::move(value);
    } else if (field % 2 == 1) {
      key = std::move(value);
    } else {
      detail.metadata[key] = std::move(value);
    }
  }
  return detail;
}

absl::Status ErrnoError(int error, absl::string_view what) {
  const absl::StatusCode code = absl::ErrnoToStatusCode(error);
  return DetailedError(code, absl::StrCat(what, ": ", std::strerror(error)),
                       {"SYSTEM_CALL_FAILED", {{"errno", absl::StrCat(error)}}});
}

absl::Status Annotate(const absl::Status& status, absl::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(prefix, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

}  // namespace glovebox

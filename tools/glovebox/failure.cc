#include "tools/glovebox/failure.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kMessageBytesMax = 4096;

}  // namespace

bool HasReason(const absl::Status& status, absl::string_view reason) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == reason;
}

std::string DescribeFailure(absl::string_view what, const absl::Status& status) {
  std::string text = absl::StrCat("glovebox: ", what, what.empty() ? "" : ": ",
                                  EscapeForPeople(status.message(), kMessageBytesMax), "\n");
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  if (!detail.has_value()) return text;
  const auto remedy = detail->metadata.find("remedy");
  if (remedy != detail->metadata.end() && !remedy->second.empty()) {
    absl::StrAppend(&text, "  ", EscapeForPeople(remedy->second, kMessageBytesMax), "\n");
  }
  return text;
}

int Fail(absl::string_view what, const absl::Status& status, int exit_code) {
  (void)std::fputs(DescribeFailure(what, status).c_str(), stderr);  // nowhere left to complain
  return exit_code;
}

void Note(absl::string_view text) {
  (void)std::fputs(absl::StrCat("glovebox: ", text, "\n").c_str(), stderr);
}

}  // namespace glovebox

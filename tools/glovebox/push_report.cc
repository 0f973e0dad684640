#include "tools/glovebox/push_report.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

// Of "[remote rejected] (hook declined)": what is in the last parentheses.
std::string Reason(absl::string_view summary) {
  const size_t begin = summary.find('(');
  const size_t end = summary.rfind(')');
  if (begin == absl::string_view::npos || end == absl::string_view::npos || end < begin) {
    return std::string(summary);
  }
  return std::string(summary.substr(begin + 1, end - begin - 1));
}

PushReport ReportOf(char flag, absl::string_view summary) {
  switch (flag) {
    case '*':
      return {PushResult::kCreated, ""};
    case ' ':
      return {PushResult::kUpdated, ""};
    case '+':
      return {PushResult::kForced, ""};
    case '=':
      return {PushResult::kUnchanged, ""};
    default:
      break;
  }
  // "[rejected]" is git's own word on this side, "[remote rejected]" the target's. A target whose
  // branch moved meanwhile fails to take its lock.
  if (absl::StartsWith(summary, "[rejected]") ||
      absl::StrContains(summary, "(failed to update ref)")) {
    return {PushResult::kElsewhere, Reason(summary)};
  }
  return {PushResult::kRefused, Reason(summary)};
}

}  // namespace

PushReport ParsePushReport(absl::string_view output, absl::string_view reference) {
  for (const absl::string_view line : absl::StrSplit(output, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits('\t', 2));
    if (fields.size() != 3 || fields[0].size() != 1) continue;
    if (!absl::EndsWith(fields[1], absl::StrCat(":", reference))) continue;
    return ReportOf(fields[0][0], fields[2]);
  }
  return {};
}

absl::string_view PushWord(PushResult result) {
  switch (result) {
    case PushResult::kCreated:
      return "created";
    case PushResult::kUpdated:
      return "updated";
    case PushResult::kForced:
      return "forced";
    case PushResult::kUnchanged:
      return "unchanged";
    case PushResult::kElsewhere:
    case PushResult::kRefused:
    case PushResult::kUnknown:
      break;
  }
  return "";
}

absl::Status PushRefusal(const PushReport& report, absl::string_view branch,
                         absl::string_view repository) {
  std::string message;
  const char* remedy = "";
  if (report.result == PushResult::kElsewhere) {
    message = absl::StrCat("branch ", branch, " of ", repository,
                           " has commits that the new one does not have; nothing was overwritten");
    remedy = "push to another --branch, or overwrite it with --force";
  } else if (absl::StrContains(report.reason, "checked out")) {
    message = absl::StrCat("branch ", branch, " is checked out in ", repository,
                           ", whose files would not follow");
    remedy = "push to another --branch and merge it there, or push into a bare repository";
  } else {
    message = absl::StrCat(repository, " refused branch ", branch, ": ",
                           EscapeForPeople(report.reason, 300));
  }
  return DetailedError(absl::StatusCode::kFailedPrecondition, message, {"", {{"remedy", remedy}}});
}

}  // namespace glovebox

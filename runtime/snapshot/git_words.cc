// The words of commits that come from clients, workers and the state directory: pure.
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "snapshot/branch_shelf.h"
#include "snapshot/git_work.h"
#include "snapshot/record_json.h"

namespace glovebox {
namespace {

constexpr absl::string_view kForm = "glovebox-branch 1";
constexpr size_t kCommitDigits = 40;
constexpr size_t kBranchBytesMax = 200;

absl::Status BranchError(absl::string_view why) {
  return DetailedError(absl::StatusCode::kInvalidArgument, absl::StrCat("branch: ", why),
                       {"INVALID_FIELD", {{"field", "branch"}}});
}

}  // namespace

absl::Status CheckBranchName(absl::string_view branch) {
  if (branch.empty() || branch.size() > kBranchBytesMax) {
    return BranchError(absl::StrCat("must have 1 to ", kBranchBytesMax, " bytes"));
  }
  if (branch[0] == '-' || branch == "HEAD" || branch == "@" || IsLowerHex(branch, 40)) {
    return BranchError("must not be an option, HEAD, @ or an object name");
  }
  if (EscapeForPeople(branch) != branch ||
      branch.find_first_of(" ~^:?*[\\\x7f\"'") != branch.npos || absl::StrContains(branch, "..") ||
      absl::StrContains(branch, "@{") || absl::EndsWith(branch, ".")) {
    return BranchError("has what git check-ref-format refuses");
  }
  for (const absl::string_view part : absl::StrSplit(branch, '/')) {
    if (part.empty() || part[0] == '.' || absl::EndsWith(part, ".lock")) {
      return BranchError("has an empty part, or one that begins with \".\" or ends with \".lock\"");
    }
  }
  return absl::OkStatus();
}

absl::Status ParseCommitAnswer(absl::string_view text, CommitMade* made) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  const bool good = lines.size() == 6 && lines[5].empty() &&
                    (lines[0] == "new" || lines[0] == "same") && IsLowerHex(lines[1], 40) &&
                    absl::SimpleAtoi(lines[2], &made->files) &&
                    absl::SimpleAtoi(lines[3], &made->lines_added) &&
                    absl::SimpleAtoi(lines[4], &made->lines_removed);
  if (!good) {
    return absl::InternalError(
        absl::StrCat("the commit worker answered \"", EscapeForPeople(text, 300), "\""));
  }
  made->is_new = lines[0] == "new";
  made->commit = std::string(lines[1]);
  return absl::OkStatus();
}

std::string FormatKeptBranch(const KeptBranch& branch) {
  return absl::StrCat(kForm, "\n", branch.branch, "\n", branch.base, "\n",
                      absl::StrJoin(branch.commits, " "), "\n");
}

absl::StatusOr<KeptBranch> ParseKeptBranch(absl::string_view head, uint64_t* size) {
  const std::vector<absl::string_view> lines = absl::StrSplit(head, absl::MaxSplits('\n', 4));
  KeptBranch branch;
  bool good = lines.size() == 5 && lines[0] == kForm && CheckBranchName(lines[1]).ok() &&
              IsLowerHex(lines[2], kCommitDigits);
  if (good) {
    branch.branch = std::string(lines[1]);
    branch.base = std::string(lines[2]);
    for (const absl::string_view commit : absl::StrSplit(lines[3], ' ')) {
      good = good && IsLowerHex(commit, kCommitDigits);
      branch.commits.emplace_back(commit);
    }
    *size = head.size() - lines[4].size();
  }
  if (!good) return absl::DataLossError("a file of kept commits is damaged");
  return branch;
}

}  // namespace glovebox

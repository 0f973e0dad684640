#include "tools/glovebox/branch_pusher.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

// As deep as there is (git-fetch(1), --depth).
constexpr char kWholeHistory[] = "--depth=2147483647";

std::vector<std::string> FetchArguments(const std::string& depth, const std::string& location) {
  return {"fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-prune", "--refmap=",
          depth,   "--",         location};
}

void AddBase(const BundleHeader& header, std::vector<std::string>* arguments) {
  for (size_t i = 0; i < header.prerequisites.size(); ++i) {
    arguments->push_back(absl::StrCat("+", header.prerequisites[i], ":refs/base/", i));
  }
}

// An older git's server, or one whose connection does not carry the protocol's version, gives only
// what its references name.
bool WantsNames(const GitEnded& ended) {
  return absl::StrContains(ended.messages, "unadvertised object") ||
         absl::StrContains(ended.messages, "does not allow request");
}

bool HasNoSuchCommit(const GitEnded& ended) {
  return absl::StrContains(ended.messages, "not our ref") ||
         absl::StrContains(ended.messages, "find remote ref");
}

// A bundle may leave out, or be written as a difference from, what only older commits have.
bool LacksObjects(const GitEnded& ended) {
  return absl::StrContains(ended.messages, "did not receive expected object") ||
         absl::StrContains(ended.messages, "unresolved delta");
}

std::string RemoteWords(absl::string_view messages) {
  std::string words;
  while (!messages.empty()) {
    const size_t end = messages.find('\n');
    const absl::string_view line = messages.substr(0, end);
    if (absl::StartsWith(line, "remote: ")) absl::StrAppend(&words, line, "\n");
    messages.remove_prefix(end == absl::string_view::npos ? messages.size() : end + 1);
  }
  return words;
}

}  // namespace

absl::Status CheckPushedBranch(const ClientGit& git, const std::string& branch) {
  GitCommand command;
  command.arguments = {"check-ref-format", absl::StrCat("refs/heads/", branch)};
  ASSIGN_OR_RETURN(const GitEnded ended, git.Run(command));
  if (ended.exit_code == 0 && branch[0] != '-') return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", EscapeForPeople(branch, 200), "\" cannot be the name of a branch"));
}

absl::StatusOr<GitEnded> BranchPusher::ForUser(std::vector<std::string> arguments) const {
  GitCommand command;
  command.arguments = std::move(arguments);
  command.for_user = true;
  command.on_progress = told_;
  return git_->Run(command);
}

absl::Status BranchPusher::Failure(absl::string_view what, const GitEnded& ended) const {
  return absl::FailedPreconditionError(
      absl::StrCat(what, " ", target_.shown, ": ", WithoutPassword(ended.Complaint(), target_)));
}

absl::Status BranchPusher::BaseMissing(const BundleHeader& header) const {
  const size_t more = header.prerequisites.size() - 1;
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat(target_.shown, " has no commit ", header.prerequisites[0],
                                    more == 0 ? "" : absl::StrCat(", or one of ", more, " others"),
                                    ", which the sandbox's are built on"),
                       {"",
                        {{"remedy",
                          "push that commit there first, or push to where the sandbox's repository "
                          "came from"}}});
}

absl::StatusOr<BundleHeader> BranchPusher::OpenBundle(const PushOrder& order) const {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, order.bundle_path, O_RDONLY));
  std::string text(kBundleHeaderBytesMax, '\0');
  ASSIGN_OR_RETURN(const size_t got, ReadAt(file.get(), 0, text.data(), text.size()));
  text.resize(got);
  ASSIGN_OR_RETURN(BundleHeader header, ParseBundleHeader(text));
  const bool asked = header.commit == order.commit ||
                     header.reference == absl::StrCat("refs/heads/", order.commit);
  if (asked) return header;
  return absl::InvalidArgumentError(absl::StrCat(
      "the export is not what was asked for: it has ", header.commit, " as ",
      EscapeForPeople(header.reference, 200), ", not ", EscapeForPeople(order.commit, 200)));
}

absl::Status BranchPusher::FetchBase(const BundleHeader& header) const {
  if (header.prerequisites.empty()) return absl::OkStatus();
  std::vector<std::string> arguments = FetchArguments("--depth=1", target_.location);
  AddBase(header, &arguments);
  ASSIGN_OR_RETURN(const GitEnded ended, ForUser(std::move(arguments)));
  if (ended.exit_code == 0) return absl::OkStatus();
  if (WantsNames(ended)) return FetchAllBranches(header);
  if (HasNoSuchCommit(ended)) return BaseMissing(header);
  return Failure("cannot read", ended);
}

absl::Status BranchPusher::FetchAllBranches(const BundleHeader& header) const {
  std::vector<std::string> arguments = FetchArguments(kWholeHistory, target_.location);
  arguments.insert(arguments.end(),
                   {"+refs/heads/*:refs/base/heads/*", "+refs/tags/*:refs/base/tags/*"});
  ASSIGN_OR_RETURN(const GitEnded ended, ForUser(std::move(arguments)));
  if (ended.exit_code != 0) return Failure("cannot read", ended);
  for (const std::string& commit : header.prerequisites) {
    GitCommand look;
    look.arguments = {"cat-file", "-e", absl::StrCat(commit, "^{commit}")};
    ASSIGN_OR_RETURN(const GitEnded looked, git_->Run(look));
    if (looked.exit_code != 0) return BaseMissing(header);
  }
  return absl::OkStatus();
}

absl::StatusOr<GitEnded> BranchPusher::IndexObjects(const PushOrder& order,
                                                    const BundleHeader& header) const {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, order.bundle_path, O_RDONLY));
  if (::lseek(file.get(), static_cast<off_t>(header.bytes), SEEK_SET) < 0) {
    return ErrnoError(errno, "lseek in a bundle");
  }
  // git fetch takes bundles without looking at their objects, whatever transfer.fsckObjects says,
  // before version 2.46. --strict looks, and at whether all that they name is there.
  GitCommand index;
  index.arguments = {"index-pack", "--strict", "--fix-thin", "--stdin"};
  index.stdin_fd = file.get();
  return git_->Run(index);
}

absl::Status BranchPusher::TakeObjects(const PushOrder& order, const BundleHeader& header) const {
  ASSIGN_OR_RETURN(GitEnded indexed, IndexObjects(order, header));
  if (indexed.exit_code != 0 && LacksObjects(indexed)) {
    RETURN_IF_ERROR(FetchAllBranches(header));
    ASSIGN_OR_RETURN(indexed, IndexObjects(order, header));
  }
  if (indexed.exit_code != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("git refuses the sandbox's commits: ", indexed.Complaint()));
  }
  GitCommand keep;
  keep.arguments = {"update-ref", "refs/heads/pushed", header.commit};  // takes commits alone
  ASSIGN_OR_RETURN(const GitEnded kept, git_->Run(keep));
  if (kept.exit_code == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the export has no commit ", header.commit, ": ", kept.Complaint()));
}

absl::Status BranchPusher::Deepen(const BundleHeader& header, const std::string& reference) const {
  std::vector<std::string> arguments = FetchArguments(kWholeHistory, target_.location);
  AddBase(header, &arguments);
  arguments.push_back(absl::StrCat("+", reference, ":refs/base/there"));
  ASSIGN_OR_RETURN(const GitEnded ended, ForUser(std::move(arguments)));
  if (ended.exit_code != 0 && WantsNames(ended)) return FetchAllBranches(header);
  return ended.exit_code == 0 ? absl::OkStatus() : Failure("cannot read", ended);
}

absl::StatusOr<GitEnded> BranchPusher::PushOnce(const std::string& commit,
                                                const std::string& reference, bool force) const {
  std::vector<std::string> arguments = {
      "push",        "--porcelain",      "--progress",
      "--no-verify", "--no-follow-tags", "--no-recurse-submodules"};
  if (force) arguments.emplace_back("--force");
  arguments.insert(arguments.end(), {"--", target_.location, absl::StrCat(commit, ":", reference)});
  return ForUser(std::move(arguments));
}

absl::StatusOr<PushedBranch> BranchPusher::Push(const PushOrder& order) {
  ASSIGN_OR_RETURN(const BundleHeader header, OpenBundle(order));
  const std::string reference = absl::StrCat("refs/heads/", order.branch);
  told_("reading the base");
  RETURN_IF_ERROR(FetchBase(header));
  told_("checking the commits");
  RETURN_IF_ERROR(TakeObjects(order, header));
  told_("pushing");
  ASSIGN_OR_RETURN(GitEnded ended, PushOnce(header.commit, reference, order.force));
  PushReport report = ParsePushReport(ended.output, reference);
  if (report.result == PushResult::kElsewhere && !order.force) {
    // What is there may be older than the base: one tree deep that cannot be seen.
    RETURN_IF_ERROR(Deepen(header, reference));
    ASSIGN_OR_RETURN(ended, PushOnce(header.commit, reference, order.force));
    report = ParsePushReport(ended.output, reference);
  }
  if (report.result == PushResult::kElsewhere || report.result == PushResult::kRefused) {
    return PushRefusal(report, order.branch, target_.shown);
  }
  if (report.result == PushResult::kUnknown || ended.exit_code != 0) {
    return Failure("cannot push to", ended);
  }
  return PushedBranch{header.commit, report.result, RemoteWords(ended.messages)};
}

}  // namespace glovebox

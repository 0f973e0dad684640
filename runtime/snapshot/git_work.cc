#include "snapshot/git_work.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/escape.h"
#include "base/status.h"
#include "linux/open_beneath.h"
#include "snapshot/git_settings.h"
#include "snapshot/git_work_script.h"
#include "snapshot/import_progress.h"
#include "snapshot/record_json.h"
#include "snapshot/worker_failure.h"

namespace glovebox {
namespace {

constexpr size_t kCommitDigits = 40;
constexpr char kOutput[] = "upper/home/agent/out";

ImportLimits WorkLimits() {
  ImportLimits limits;
  limits.disk_bytes = kGitWorkDiskBytes;
  limits.disk_inodes = 200'000;
  limits.memory_bytes = kGitWorkMemoryBytes;
  limits.wall_limit = absl::Minutes(5);
  return limits;
}

absl::Status Refused(absl::StatusCode code, const char* reason, const std::string& message) {
  return DetailedError(code, message, {reason, {}});
}

WorkerJob MakeJob(const char* script, const GitBase& base, const std::string& input) {
  const ImportLimits limits = WorkLimits();
  WorkerJob job;
  job.arguments = {"/bin/sh", "-c",        absl::StrCat(kGitSettings, kGitWorkBegin, script),
                   "work",    base.commit, HistoryName(base.history)};
  job.environment = {"PATH=/usr/local/bin:/usr/bin:/bin",
                     "HOME=/home/agent",
                     "LC_ALL=C",
                     "TZ=UTC",
                     "GIT_CONFIG_NOSYSTEM=1",
                     "GIT_CONFIG_GLOBAL=/home/agent/.work-gitconfig",
                     "GIT_ATTR_NOSYSTEM=1",
                     "GIT_TERMINAL_PROMPT=0",
                     "GIT_ASKPASS=/bin/false",
                     "GIT_OPTIONAL_LOCKS=0",
                     "GIT_NO_LAZY_FETCH=1",
                     "GIT_NO_REPLACE_OBJECTS=1",
                     "GIT_LITERAL_PATHSPECS=1"};
  if (!input.empty()) job.binds = {{input, "/mnt"}};
  job.base = base.layers;
  job.disk_bytes = limits.disk_bytes;
  job.disk_inodes = limits.disk_inodes;
  job.memory_bytes = limits.memory_bytes;
  job.wall_limit = limits.wall_limit;
  return job;
}

absl::Status Failure(const WorkerResult& result, const std::string& what) {
  const std::string words = LastWords(result.stderr_tail);
  switch (result.exit_code) {
    case kGitWorkNoGit:
      return HostToolMissing("git");
    case kGitWorkNoRepository:
      return Refused(absl::StatusCode::kFailedPrecondition, "NO_BASE", words);
    case kGitWorkNoCommit:
      return Refused(absl::StatusCode::kNotFound, "COMMIT_NOT_FOUND",
                     absl::StrCat("no commit \"", EscapeForPeople(what, 200), "\": ", words));
    case kGitWorkNothing:
      return Refused(absl::StatusCode::kFailedPrecondition, "NOTHING_CHANGED",
                     absl::StrCat("nothing is new in ", EscapeForPeople(what, 200)));
    default:
      return Refused(
          absl::StatusCode::kFailedPrecondition, "REPOSITORY_INVALID",
          absl::StrCat("git ended with ", result.exit_code, words.empty() ? "" : ": ", words));
  }
}

absl::Status NoMail(absl::string_view answer) {
  const absl::string_view there = absl::StripSuffix(answer, "\n");
  const std::string commit(IsLowerHex(there, kCommitDigits) ? there : "unknown");
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("the message of commit ", commit,
                   " has a line that git am takes for the end of the message or for a header; "
                   "export a bundle"),
      {"REPOSITORY_UNSUPPORTED", {{"commit", commit}}});
}

absl::StatusOr<GitOutput> TakeOutput(WorkerResult* result) {
  GitOutput output;
  output.disk = std::move(result->disk);
  ASSIGN_OR_RETURN(OpenedFile file, OpenRegularBeneath(output.disk->root_fd(), kOutput));
  output.bytes = static_cast<uint64_t>(file.stat.st_size);
  output.file = std::move(file.fd);
  return output;
}

}  // namespace

absl::Status BranchMoved(absl::string_view branch, absl::string_view commit) {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("branch ", branch, " is at ", commit,
                                    ", not at the sandbox's base; name another"),
                       {"BRANCH_MOVED", {{"commit", std::string(commit)}}});
}

absl::StatusOr<CommitMade> GitWork::Commit(const CommitOrder& order) {
  WorkerJob job = MakeJob(kCommitScript, order.base, order.input);
  job.arguments.insert(job.arguments.end(), {order.branch, order.tip, order.message});
  job.arguments.insert(job.arguments.end(), order.paths.begin(), order.paths.end());
  const std::string date = absl::StrCat("@", order.unix_seconds, " +0000");
  for (const char* who : {"AUTHOR", "COMMITTER"}) {
    job.environment.push_back(absl::StrCat("GIT_", who, "_NAME=", order.name));
    job.environment.push_back(absl::StrCat("GIT_", who, "_EMAIL=", order.email));
    job.environment.push_back(absl::StrCat("GIT_", who, "_DATE=", date));
  }
  ASSIGN_OR_RETURN(WorkerResult result, runner_->Run(job));
  RETURN_IF_ERROR(LimitFailure(result, WorkLimits(), "the changes into a commit"));
  if (result.exit_code == kGitWorkBranchMoved) {
    const absl::string_view there = absl::StripSuffix(result.stdout_bytes, "\n");
    return BranchMoved(order.branch, IsLowerHex(there, kCommitDigits) ? there : "another commit");
  }
  if (result.exit_code == kGitWorkNothing && !order.tip.empty()) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat("nothing is new in ", order.branch, ": its last commit ",
                                      order.tip, " has all of it"),
                         {"NOTHING_CHANGED", {{"commit", order.tip}}});
  }
  if (result.exit_code != 0) return Failure(result, order.branch);
  CommitMade made;
  RETURN_IF_ERROR(ParseCommitAnswer(result.stdout_bytes, &made));
  ASSIGN_OR_RETURN(made.bundle, TakeOutput(&result));
  return made;
}

absl::StatusOr<GitOutput> GitWork::Export(const ExportOrder& order) {
  WorkerJob job = MakeJob(kExportScript, order.base, order.input);
  job.arguments.insert(job.arguments.end(),
                       {order.series ? "series" : "bundle",
                        IsLowerHex(order.commit, kCommitDigits) ? "commit" : "branch", order.commit,
                        order.input.empty() ? "inside" : "kept"});
  job.arguments.insert(job.arguments.end(), order.excluded.begin(), order.excluded.end());
  ASSIGN_OR_RETURN(WorkerResult result, runner_->Run(job));
  RETURN_IF_ERROR(LimitFailure(result, WorkLimits(), "commits for an export"));
  if (result.exit_code == kGitWorkNoMail) return NoMail(result.stdout_bytes);
  if (result.exit_code != 0) return Failure(result, order.commit);
  return TakeOutput(&result);
}

}  // namespace glovebox

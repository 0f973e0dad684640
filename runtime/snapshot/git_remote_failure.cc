#include "snapshot/git_remote_failure.h"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/escape.h"
#include "base/status.h"
#include "snapshot/git_script.h"
#include "snapshot/import_progress.h"
#include "snapshot/worker_failure.h"

namespace glovebox {
namespace {

using Why = WorkerRefusal::Why;

constexpr absl::StatusCode kPrecondition = absl::StatusCode::kFailedPrecondition;

absl::Status Failure(absl::StatusCode code, const std::string& reason, const WorkerReach& reach,
                     const std::string& message) {
  return DetailedError(code, message, {reason, {{"host", reach.host}}});
}

absl::Status OfRefusal(const WorkerRefusal& refusal, const std::string& url,
                       const WorkerReach& reach) {
  const std::string host = EscapeForPeople(refusal.host, 260);
  switch (refusal.why) {
    case Why::kPrivateAddress:
      return Failure(absl::StatusCode::kPermissionDenied, "PRIVATE_RANGE_NOT_ALLOWED", reach,
                     absl::StrCat(host,
                                  " leads to a private address, or one of this host, which "
                                  "this node does not let imports reach "
                                  "(egress.private_ranges in its configuration)"));
    case Why::kTooMuch:
      return Failure(
          absl::StatusCode::kResourceExhausted, "IMPORT_TOO_LARGE", reach,
          absl::StrCat("import of ", url, ": the host sends more than an import may have"));
    case Why::kNoAddress:
      return Failure(kPrecondition, "REMOTE_UNREACHABLE", reach,
                     absl::StrCat(host, " was not found: the name has no address"));
    case Why::kNoAnswer:
      return Failure(kPrecondition, "REMOTE_UNREACHABLE", reach,
                     absl::StrCat(host, " does not answer at port ", reach.port));
    case Why::kNotTrusted:
      return Failure(kPrecondition, "REMOTE_NOT_TRUSTED", reach,
                     absl::StrCat(url, ": this host does not trust the certificate of ", host));
    case Why::kNoSecret:
      return Failure(absl::StatusCode::kNotFound, "SECRET_NOT_FOUND", reach,
                     absl::StrCat("the secret ", reach.secret_name, " was deleted meanwhile"));
    case Why::kNotItsHost:
      break;
  }
  if (refusal.host == reach.host) {
    return Failure(kPrecondition, "REMOTE_UNREACHABLE", reach,
                   absl::StrCat("what was to be said to ", host, " is not what its port is for"));
  }
  return Failure(kPrecondition, "REMOTE_REDIRECTED", reach,
                 absl::StrCat(url, " leads to ", host, ", and an import reaches only ", reach.host,
                              "; import it from there if that is right"));
}

// What git itself said, without what it passes on from the server.
std::string OwnWords(absl::string_view stderr_tail) {
  std::string own;
  for (const absl::string_view line :
       absl::StrSplit(stderr_tail, absl::ByAnyChar("\r\n"), absl::SkipWhitespace())) {
    if (!absl::StartsWith(line, "remote:")) absl::StrAppend(&own, line, "\n");
  }
  return absl::AsciiStrToLower(own);
}

bool HasAny(absl::string_view text, std::initializer_list<absl::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](absl::string_view word) { return absl::StrContains(text, word); });
}

absl::Status OfWords(const WorkerResult& result, const std::string& url, const WorkerReach& reach) {
  const std::string own = OwnWords(result.stderr_tail);
  const std::string words = LastWords(result.stderr_tail);
  if (HasAny(own, {"certificate"})) {
    return Failure(kPrecondition, "REMOTE_NOT_TRUSTED", reach,
                   absl::StrCat(url, ": this host does not trust the certificate: ", words));
  }
  if (HasAny(own, {"could not read username", "authentication failed", "error: 401", "error: 403",
                   "error: 404", "' not found", "repository not exported"})) {
    return Failure(absl::StatusCode::kNotFound, "REPOSITORY_NOT_FOUND", reach,
                   reach.secret_name.empty()
                       ? absl::StrCat(url,
                                      " does not exist, or needs a password or token: give the "
                                      "name of a secret")
                       : absl::StrCat(url, " does not exist, or does not take the secret ",
                                      reach.secret_name, " as the password of ", reach.user));
  }
  if (HasAny(own, {"is this a git repository", "invalid server response"})) {
    return Failure(absl::StatusCode::kNotFound, "REPOSITORY_NOT_FOUND", reach,
                   absl::StrCat(url, " is no git repository"));
  }
  if (HasAny(own, {"unable to access", "unable to connect", "unable to look up", "early eof",
                   "rpc failed", "hung up", "too slow", "unexpected disconnect", "read error",
                   "connection reset"})) {
    return Failure(kPrecondition, "REMOTE_UNREACHABLE", reach,
                   absl::StrCat(url, ": the host broke off, or does not answer: ", words));
  }
  return Failure(
      kPrecondition, "REPOSITORY_INVALID", reach,
      absl::StrCat(url, ": git ended with ", result.exit_code, words.empty() ? "" : ": ", words));
}

}  // namespace

absl::Status RemoteFailure(const WorkerResult& result, const std::string& url,
                           const WorkerReach& reach, const std::string& revision) {
  const std::string words = LastWords(result.stderr_tail);
  switch (result.exit_code) {
    case kGitMissing:
      return HostToolMissing("git");
    case kGitUnsupported:
      return Failure(kPrecondition, "REPOSITORY_UNSUPPORTED", reach,
                     absl::StrCat(url, ": ", words));
    case kGitNoSuchCommit:
      return Failure(absl::StatusCode::kNotFound, "COMMIT_NOT_FOUND", reach,
                     absl::StrCat(url, " has no commit \"", revision, "\": ", words));
    default:
      break;
  }
  if (!result.refusals.empty()) return OfRefusal(result.refusals.back(), url, reach);
  if (result.exit_code != kGitNotGiven) return OfWords(result, url, reach);
  return Failure(absl::StatusCode::kNotFound, "COMMIT_NOT_FOUND", reach,
                 absl::StrCat(url, " gives no commit \"", revision,
                              "\": it has none, or gives commits by branch and tag alone; name one "
                              "that reaches it, with full history (",
                              words, ")"));
}

}  // namespace glovebox

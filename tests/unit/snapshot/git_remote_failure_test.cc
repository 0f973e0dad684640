#include "snapshot/git_remote_failure.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "snapshot/git_script.h"

namespace glovebox {
namespace {

using Why = WorkerRefusal::Why;

constexpr char kUrl[] = "https://git.example/a";

absl::Status Of(WorkerResult result) {
  return RemoteFailure(result, kUrl, {"git.example", 443, true}, "main");
}

WorkerResult Said(const std::string& words, int exit_code = kGitRemoteFailed) {
  WorkerResult result;
  result.exit_code = exit_code;
  result.stderr_tail = words;
  return result;
}

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : "";
}

TEST(RemoteFailure, WhatWasRefusedIsTheReason) {
  const struct {
    Why why;
    const char* host;
    const char* reason;
  } kCases[] = {
      {Why::kNotItsHost, "other.example", "REMOTE_REDIRECTED"},
      {Why::kNotItsHost, "git.example", "REMOTE_UNREACHABLE"},
      {Why::kPrivateAddress, "git.example", "PRIVATE_RANGE_NOT_ALLOWED"},
      {Why::kTooMuch, "git.example", "IMPORT_TOO_LARGE"},
      {Why::kNoAddress, "git.example", "REMOTE_UNREACHABLE"},
      {Why::kNoAnswer, "git.example", "REMOTE_UNREACHABLE"},
  };
  for (const auto& [why, host, reason] : kCases) {
    WorkerResult result = Said("fatal: repository 'x' not found");
    result.refusals = {{why, host}};
    EXPECT_EQ(ReasonOf(Of(std::move(result))), reason);
  }
}

// As git 2.39 with GnuTLS says it.
TEST(RemoteFailure, WordsOfGitAreUnderstood) {
  const struct {
    const char* words;
    const char* reason;
  } kCases[] = {
      {"fatal: unable to access 'https://git.example/a/': server certificate verification failed. "
       "CAfile: none CRLfile: none",
       "REMOTE_NOT_TRUSTED"},
      {"fatal: repository 'https://git.example/a/' not found", "REPOSITORY_NOT_FOUND"},
      {"fatal: could not read Username for 'https://git.example': terminal prompts disabled",
       "REPOSITORY_NOT_FOUND"},
      {"fatal: unable to access 'https://git.example/a/': The requested URL returned error: 403",
       "REPOSITORY_NOT_FOUND"},
      {"fatal: remote error: access denied or repository not exported: /a", "REPOSITORY_NOT_FOUND"},
      {"fatal: https://git.example/a/info/refs not valid: is this a git repository?",
       "REPOSITORY_NOT_FOUND"},
      {"fatal: unable to access 'https://git.example/a/': Operation too slow",
       "REMOTE_UNREACHABLE"},
      {"error: RPC failed; curl 56 GnuTLS recv error\nfatal: early EOF", "REMOTE_UNREACHABLE"},
      {"fatal: bad object 1", "REPOSITORY_INVALID"},
      {"remote: server certificate is early EOF, not found\nfatal: bad object 1",
       "REPOSITORY_INVALID"},
  };
  for (const auto& [words, reason] : kCases) {
    EXPECT_EQ(ReasonOf(Of(Said(words))), reason) << words;
  }
}

TEST(RemoteFailure, ACommitThatIsNotGivenIsSaidSo) {
  EXPECT_EQ(ReasonOf(Of(Said("fatal: no commit", kGitNoSuchCommit))), "COMMIT_NOT_FOUND");
  const absl::Status status = Of(Said("error: Server does not allow request for x", kGitNotGiven));
  EXPECT_EQ(ReasonOf(status), "COMMIT_NOT_FOUND");
  EXPECT_TRUE(absl::StrContains(status.message(), "by branch and tag alone")) << status;
  EXPECT_EQ(ReasonOf(Of(Said("fatal: sha256", kGitUnsupported))), "REPOSITORY_UNSUPPORTED");
}

TEST(RemoteFailure, WhatIsShownIsPrintableAndBounded) {
  WorkerResult result = Said(absl::StrCat("fatal: \x1b[2J\xff", std::string(4000, 'x')));
  EXPECT_FALSE(absl::StrContains(Of(std::move(result)).message(), "\x1b"));
  WorkerResult other = Said("");
  other.refusals = {{Why::kNotItsHost, "\x1b[2J"}};
  const absl::Status status = Of(std::move(other));
  EXPECT_FALSE(absl::StrContains(status.message(), "\x1b"));
  EXPECT_LT(status.message().size(), 1000u);
}

}  // namespace
}  // namespace glovebox

#include "tools/glovebox/commit_options.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/json_shapes.h"

namespace glovebox {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

absl::StatusOr<v1::GitIdentity> ParseAuthor(absl::string_view text) {
  v1::GitIdentity author;
  const size_t bracket = text.find(" <");
  if (bracket == absl::string_view::npos || !absl::EndsWith(text, ">")) {
    return absl::InvalidArgumentError("--author needs the form \"Name <address>\"");
  }
  author.set_name(std::string(text.substr(0, bracket)));
  author.set_email(std::string(text.substr(bracket + 2, text.size() - bracket - 3)));
  return author;
}

std::optional<v1::GitIdentity> AuthorOfEnvironment() {
  v1::GitIdentity author;
  author.set_name(Environment("GIT_AUTHOR_NAME"));
  author.set_email(Environment("GIT_AUTHOR_EMAIL"));
  if (author.name().empty() || author.email().empty()) return std::nullopt;
  return author;
}

absl::StatusOr<v1::CommitChangesRequest> BuildCommitRequest(const CommitOptions& options) {
  v1::CommitChangesRequest request;
  if (!options.author.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_author(), ParseAuthor(options.author));
  } else if (auto author = AuthorOfEnvironment(); author.has_value()) {
    *request.mutable_author() = *std::move(author);
  }
  if (!options.date.empty()) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, options.date, &time, &error)) {
      return absl::InvalidArgumentError("--date needs a time as 2026-01-31T12:00:00Z");
    }
    request.mutable_author_time()->set_seconds(absl::ToUnixSeconds(time));
  }
  request.set_branch(options.branch);
  request.set_message(options.message);
  for (const std::string& path : options.paths) request.add_paths(path);
  return request;
}

void AddCommitOptions(Verb verb, CommitOptions& options) {
  verb.AddOption("--author", options.author,
                 "\"Name <address>\" (GIT_AUTHOR_NAME, GIT_AUTHOR_EMAIL)")
      .TypeName("WHO");
  verb.AddOption("--date", options.date, "Of the commit, as 2026-01-31T12:00:00Z (now)")
      .TypeName("TIME");
  verb.AddOption("--path", options.paths, "Only this and what is below it; may be repeated")
      .TypeName("PATH")
      .Repeated();
}

void NoteUncommitted(const v1::CommitChangesResponse& response) {
  for (const v1::SkippedFile& file : response.summary().skipped()) {
    Note(absl::StrCat("not in the commit: ", EscapeForPeople(file.path()), " (",
                      EnumWord(v1::SkipReason_Name(file.reason()), "SKIP_REASON_"), ")"));
  }
}

}  // namespace glovebox

// glovebox commit: what a sandbox changed, as a commit that is kept with it.

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/commit_options.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"

namespace glovebox {
namespace {

struct Options {
  std::string sandbox;
  CommitOptions commit;
};

absl::StatusOr<v1::CommitChangesRequest> BuildRequest(Connection& connection,
                                                      const Options& options) {
  ASSIGN_OR_RETURN(v1::CommitChangesRequest request, BuildCommitRequest(options.commit));
  if (!request.has_author()) {
    return absl::InvalidArgumentError(
        "who is the author? Give --author \"Name <address>\", or set GIT_AUTHOR_NAME and "
        "GIT_AUTHOR_EMAIL");
  }
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(connection, options.sandbox));
  return request;
}

int Commit(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("commit", connection.status(), kExitFailure);
  const auto request = BuildRequest(**connection, options);
  if (!request.ok()) return Fail("commit", request.status(), kExitFailure);
  v1::CommitChangesResponse response;
  const absl::Status status = Call(**connection, *request, &response);
  if (!status.ok()) return Fail("commit", status, kExitFailure);
  if (invocation.json) return Print(Pretty(CommitJson(response)));
  NoteUncommitted(response);
  return Print(absl::StrCat(EscapeForPeople(response.commit()), "\n"));
}

}  // namespace

void AddCommit(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(
      app, invocation, "commit", "Commit what changed on a branch that is kept with the sandbox",
      "  glovebox commit 3f2a --branch fix -m 'Mend it' --author 'A <a@example.org>'\n"
      "  glovebox export 3f2a fix -o fix.bundle",
      [&invocation, options] { return Commit(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("-b,--branch", options->commit.branch, "Branch, new or of an earlier commit")
      .Required()
      .TypeName("B");
  verb.AddOption("-m,--message", options->commit.message, "Commit message")
      .Required()
      .TypeName("TEXT");
  AddCommitOptions(verb, options->commit);
}

}  // namespace glovebox

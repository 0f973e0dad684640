// glovebox push: what a sandbox changed, on a branch of somebody's repository.
//
// The daemon commits and exports; the client's own git, with the client's credentials, pushes.
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/branch_pusher.h"
#include "tools/glovebox/bundle_file.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/client_git.h"
#include "tools/glovebox/commit_options.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/progress.h"

namespace glovebox {
namespace {

constexpr size_t kShownIdDigits = 12;

struct Options {
  std::string sandbox, repository, made;
  CommitOptions commit;
  bool force = false;
};

// Who the user's git would say.
absl::StatusOr<v1::GitIdentity> AuthorOfGit(const ClientGit& git) {
  GitCommand command;
  command.arguments = {"var", "GIT_AUTHOR_IDENT"};
  command.for_user = true;
  ASSIGN_OR_RETURN(const GitEnded ended, git.Run(command));
  const size_t end = ended.output.rfind('>');  // "Name <address> time zone"
  if (ended.exit_code == 0 && end != std::string::npos) {
    return ParseAuthor(absl::string_view(ended.output).substr(0, end + 1));
  }
  return absl::InvalidArgumentError(
      "who is the author? Give --author \"Name <address>\", or tell git: user.name and user.email");
}

// Of what changed; without a summary, the branch's last commit, when all of it is in there.
absl::StatusOr<v1::CommitChangesResponse> Commit(Connection& connection, const ClientGit& git,
                                                 const std::string& sandbox,
                                                 const CommitOptions& options) {
  ASSIGN_OR_RETURN(v1::CommitChangesRequest request, BuildCommitRequest(options));
  if (!request.has_author()) {
    ASSIGN_OR_RETURN(*request.mutable_author(), AuthorOfGit(git));
  }
  request.set_sandbox_id(sandbox);
  v1::CommitChangesResponse response;
  const absl::Status status = Call(connection, request, &response);
  if (status.ok()) return response;
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  if (!detail.has_value() || detail->reason != "NOTHING_CHANGED") return status;
  const auto last = detail->metadata.find("commit");
  if (last == detail->metadata.end()) return status;
  response.set_commit(last->second);
  return response;
}

struct Pushed {
  std::string name;  // of the branch
  PushedBranch branch;
  v1::CommitChangesResponse commit;  // with a summary when one was made
};

absl::StatusOr<Pushed> Push(const std::string& socket, Options options, const PushTarget& target) {
  ProgressLine line;
  const auto told = [&line](absl::string_view text) { line.ShowText(text); };
  ASSIGN_OR_RETURN(const std::unique_ptr<ClientGit> git, ClientGit::Make());
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(socket));
  ASSIGN_OR_RETURN(const std::string sandbox, ResolveSandbox(*connection, options.sandbox));
  const std::string shown_id = sandbox.substr(0, kShownIdDigits);
  if (options.commit.branch.empty()) options.commit.branch = absl::StrCat("glovebox/", shown_id);
  if (options.commit.message.empty()) {
    options.commit.message = absl::StrCat("Changes of sandbox ", shown_id);
  }
  RETURN_IF_ERROR(CheckPushedBranch(*git, options.commit.branch));
  Pushed pushed;
  if (options.made.empty()) {
    told("committing");
    ASSIGN_OR_RETURN(pushed.commit, Commit(*connection, *git, sandbox, options.commit));
    options.made = pushed.commit.commit();
  }
  told("receiving the commits");
  v1::ExportBundleRequest request;
  request.set_sandbox_id(sandbox);
  request.set_commit(options.made);
  request.set_format(v1::EXPORT_FORMAT_BUNDLE);
  const std::string path = absl::StrCat(git->directory(), "/bundle");
  std::string digest;
  RETURN_IF_ERROR(WriteExportFile(*connection, request, path, &digest));
  BranchPusher pusher(git.get(), target, told);
  pushed.name = options.commit.branch;
  ASSIGN_OR_RETURN(pushed.branch,
                   pusher.Push({path, options.made, options.commit.branch, options.force}));
  return pushed;
}

int Report(const Invocation& invocation, const Pushed& pushed, const PushTarget& target) {
  if (invocation.json) {
    const bool made = pushed.commit.has_summary();
    return Print(Pretty({{"repository", target.shown},
                         {"branch", pushed.name},
                         {"commit", pushed.branch.commit},
                         {"result", std::string(PushWord(pushed.branch.result))},
                         {"summary", made ? DiffSummaryJson(pushed.commit.summary()) : Json()}}));
  }
  NoteUncommitted(pushed.commit);
  for (const absl::string_view words :
       absl::StrSplit(pushed.branch.remote_words, '\n', absl::SkipWhitespace())) {
    Note(EscapeForPeople(WithoutPassword(words, target)));
  }
  Note(absl::StrCat(PushWord(pushed.branch.result), " branch ", EscapeForPeople(pushed.name),
                    " of ", EscapeForPeople(target.shown)));
  return Print(absl::StrCat(pushed.branch.commit, "\n"));
}

int RunPush(const Invocation& invocation, const Options& options) {
  const auto target = ParsePushTarget(options.repository);
  if (!target.ok()) return Fail("push", target.status(), kExitUsage);
  const auto pushed = Push(invocation.socket, options, *target);
  if (!pushed.ok()) return Fail("push", pushed.status(), kExitFailure);
  return Report(invocation, *pushed, *target);
}

}  // namespace

void AddPush(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(
      app, invocation, "push",
      "Commit what changed, and push it to a branch of a repository with this user's own git",
      "  glovebox push 3f2a ~/src/zlib --branch fix -m 'Mend it'\n"
      "  glovebox push 3f2a git@example.org:ada/zlib.git -b fix -m 'Mend it'\n"
      "  glovebox push 3f2a https://example.org/ada/zlib -b mine --commit mine",
      [&invocation, options] { return RunPush(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("REPOSITORY", options->repository, "Path or URL, as of git push").Required();
  verb.AddOption("-b,--branch", options->commit.branch, "Branch there (glovebox/ID)").TypeName("B");
  Option message = verb.AddOption("-m,--message", options->commit.message,
                                  "Commit message (\"Changes of sandbox ID\")")
                       .TypeName("TEXT");
  verb.AddOption("--commit", options->made,
                 "Commit nothing: push this branch or full object name, of `commit` or made inside")
      .TypeName("COMMIT")
      .Excludes(message);
  AddCommitOptions(verb, options->commit);
  verb.AddFlag("--force", options->force, "Overwrite what the branch has");
}

}  // namespace glovebox

// glovebox changes: which files differ from the state in which the sandbox was made.

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"

namespace glovebox {
namespace {

constexpr int kPageSize = 1000;

struct Options {
  std::string sandbox;
  std::string path;
  bool nul = false;
};

absl::StatusOr<std::vector<v1::Change>> Fetch(const Invocation& invocation,
                                              const Options& options) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  v1::ListChangesRequest request;
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(*connection, options.sandbox));
  request.set_path(options.path);
  request.set_page_size(kPageSize);
  std::vector<v1::Change> out;
  do {
    v1::ListChangesResponse response;
    RETURN_IF_ERROR(Call(*connection, request, &response));
    for (v1::Change& change : *response.mutable_changes()) out.push_back(std::move(change));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return out;
}

int Changes(const Invocation& invocation, const Options& options) {
  const auto changes = Fetch(invocation, options);
  if (!changes.ok()) return Fail("changes", changes.status(), kExitFailure);
  if (invocation.json) {
    Json out = Json::array();
    for (const v1::Change& change : *changes) out.push_back(ChangeJson(change));
    return Print(Pretty(out));
  }
  std::string text;
  for (const v1::Change& change : *changes) {
    text += ChangeLetter(change.kind());
    text += '\t';
    text += options.nul ? change.path() : EscapeForPeople(change.path());
    text += options.nul ? '\0' : '\n';
  }
  return Print(text);
}

}  // namespace

void AddChanges(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb =
      AddVerb(app, invocation, "changes",
              "List changed files: A, M, D or T (type), a tab, the path; escaped for terminals",
              "  glovebox changes 3f2a\n"
              "  glovebox changes -z 3f2a | cut -z -f 2- | xargs -0 ls -d --",
              [&invocation, options] { return Changes(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("--path", options->path,
                 "Only this and what is below it; / for the whole root (the workdir)")
      .TypeName("PATH");
  verb.AddFlag("-z,--null", options->nul, "Raw paths, each item ended by NUL");
}

}  // namespace glovebox

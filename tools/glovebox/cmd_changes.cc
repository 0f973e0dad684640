// glovebox changes: which files differ from the state in which the sandbox was made.

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/changes_watch.h"
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
  bool renames = false;
  std::string since;  // "": none
  bool cursor = false;
  std::vector<std::string> ignore;
  bool gitignore = false;
  bool digests = false;
  bool watch = false;
  ReconnectOptions reconnect;
};

struct Listing {
  std::vector<v1::Change> changes;
  std::string cursor;
  bool fresh = false;
};

absl::StatusOr<Listing> Fetch(const Invocation& invocation, const Options& options) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  v1::ListChangesRequest request;
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(*connection, options.sandbox));
  request.set_path(options.path);
  request.set_page_size(kPageSize);
  request.set_find_renames(options.renames);
  if (!options.since.empty()) request.set_cursor(options.since);
  for (const std::string& pattern : options.ignore) request.add_ignore(pattern);
  request.set_respect_gitignore(options.gitignore);
  request.set_digests(options.digests);
  Listing out;
  do {
    v1::ListChangesResponse response;
    RETURN_IF_ERROR(Call(*connection, request, &response));
    for (v1::Change& change : *response.mutable_changes()) {
      out.changes.push_back(std::move(change));
    }
    out.cursor = response.cursor();
    out.fresh = response.fresh_instance();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return out;
}

int Watch(const Invocation& invocation, const Options& options) {
  if (options.renames || options.digests) {
    return Fail("changes",
                absl::InvalidArgumentError("--watch goes with neither --renames nor --digests"),
                kExitUsage);
  }
  ChangesWatch watch;
  watch.sandbox = options.sandbox;
  watch.request.set_path(options.path);
  if (!options.since.empty()) watch.request.set_cursor(options.since);
  for (const std::string& pattern : options.ignore) watch.request.add_ignore(pattern);
  watch.request.set_respect_gitignore(options.gitignore);
  watch.reconnect = options.reconnect;
  watch.nul = options.nul;
  watch.cursors = options.cursor || !options.since.empty();
  return WatchChanges(invocation, std::move(watch));
}

int Changes(const Invocation& invocation, const Options& options) {
  if (options.watch) return Watch(invocation, options);
  const auto listing = Fetch(invocation, options);
  if (!listing.ok()) return Fail("changes", listing.status(), kExitFailure);
  const bool with_cursor = options.cursor || !options.since.empty();
  if (invocation.json) {
    Json changes = Json::array();
    for (const v1::Change& change : listing->changes) changes.push_back(ChangeJson(change));
    if (!with_cursor) return Print(Pretty(changes));
    return Print(Pretty(
        {{"changes", changes}, {"cursor", listing->cursor}, {"fresh_instance", listing->fresh}}));
  }
  if (!options.since.empty() && listing->fresh) {
    std::cerr << "what changed since the cursor is not known any more: this is the whole list\n";
  }
  if (with_cursor) std::cerr << "cursor: " << listing->cursor << "\n";
  std::string text;
  for (const v1::Change& change : listing->changes) text += ChangeLine(change, options.nul);
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
  verb.AddOption("--since", options->since,
                 "Only what differs from the state that this cursor is of; the next cursor goes to "
                 "stderr")
      .TypeName("CURSOR");
  verb.AddFlag("--cursor", options->cursor, "Tell a cursor for --since, on stderr");
  verb.AddOption("--ignore", options->ignore,
                 "Leave out what this pattern, as in .gitignore, matches")
      .TypeName("PATTERN")
      .Repeated();
  verb.AddFlag("--gitignore", options->gitignore,
               "Leave out what the .gitignore files inside say, as git status does");
  verb.AddFlag("--digests", options->digests, "With --json: SHA-256 of each file of up to 64 MiB");
  verb.AddFlag("--renames", options->renames,
               "Show a file that moved as R with its old path before the new one");
  verb.AddFlag("-z,--null", options->nul, "Raw paths, each item ended by NUL");
  verb.AddFlag("--watch", options->watch,
               "Go on with what changes, batch by batch, until interrupted; with --json one object "
               "a line");
  AddReconnectOptions(verb, options->reconnect);
}

}  // namespace glovebox

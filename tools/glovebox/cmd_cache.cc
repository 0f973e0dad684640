// glovebox cache ls, set, rm: names of snapshots that sandboxes mount read-only.
#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/table.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

struct Options {
  std::string name, digest, owner;
  std::vector<std::string> names;
  bool shared = false;
};

int Ls(const Invocation& invocation) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("cache ls", connection.status(), kExitFailure);
  const auto caches = AllCaches(**connection);
  if (!caches.ok()) return Fail("cache ls", caches.status(), kExitFailure);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {{"NAME", "SNAPSHOT", "SHARED", "OWNER", "AGE"}};
  for (const v1::Cache& cache : *caches) {
    json.push_back(CacheJson(cache));
    rows.push_back({EscapeForPeople(cache.name(), 63),
                    absl::StrCat(cache.snapshot().substr(0, 19), cache.broken() ? " broken" : ""),
                    cache.shared() ? "yes" : "no", EscapeForPeople(cache.owner(), 40),
                    AgeText(TimeText(cache.set_time()))});
  }
  return Print(invocation.json ? Pretty(json) : FormatTable(rows, ColourWanted(STDOUT_FILENO)));
}

absl::StatusOr<v1::Cache> SetOne(const Invocation& invocation, const Options& options) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  v1::SetCacheRequest request;
  request.set_name(options.name);
  request.set_shared(options.shared);
  ASSIGN_OR_RETURN(*request.mutable_snapshot(), ResolveSnapshot(*connection, options.digest));
  v1::SetCacheResponse response;
  RETURN_IF_ERROR(Call(*connection, request, &response));
  return response.cache();
}

int Set(const Invocation& invocation, const Options& options) {
  const auto cache = SetOne(invocation, options);
  if (!cache.ok()) return Fail("cache set", cache.status(), kExitFailure);
  return Print(invocation.json ? Pretty(CacheJson(*cache)) : "");
}

int Rm(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("cache rm", connection.status(), kExitFailure);
  int code = 0;
  Json removed = Json::array();
  for (const std::string& name : options.names) {
    v1::DeleteCacheRequest request;
    request.set_name(name);
    if (!options.owner.empty()) request.set_owner(options.owner);
    v1::DeleteCacheResponse response;
    const absl::Status status = Call(**connection, request, &response);
    if (status.ok()) {
      removed.push_back(name);
    } else {
      code = Fail(absl::StrCat("cache rm ", EscapeForPeople(name, 80)), status, kExitFailure);
    }
  }
  if (invocation.json) (void)Print(Pretty({{"removed", removed}}));  // `code` is what counts
  return code;
}

}  // namespace

void AddCache(Verb app, Invocation& invocation) {
  Verb cache =
      app.AddGroup("cache", "Name snapshots that sandboxes mount read-only (create --cache)");
  AddVerb(cache, invocation, "ls", "List one's own and the shared names", "  glovebox cache ls",
          [&invocation] { return Ls(invocation); });
  auto made = std::make_shared<Options>();
  Verb set = AddVerb(cache, invocation, "set",
                     "Give a snapshot a name; sandboxes that are there keep theirs",
                     "  glovebox cache set npm $(glovebox snapshot import --directory ~/.npm)\n"
                     "  glovebox run --cache npm:/home/agent/.npm -- npm ci --offline",
                     [&invocation, made] { return Set(invocation, *made); });
  set.AddOption("NAME", made->name, "Name of the cache").Required();
  set.AddOption("DIGEST", made->digest, "Snapshot").Required();
  set.AddFlag("--shared", made->shared, "For all clients; administrators may");
  auto removed = std::make_shared<Options>();
  Verb rm = AddVerb(cache, invocation, "rm", "Take names away; the snapshots stay",
                    "  glovebox cache rm npm",
                    [&invocation, removed] { return Rm(invocation, *removed); });
  rm.AddOption("NAME", removed->names, "Names").Required();
  rm.AddOption("--owner", removed->owner, "Of this client, not one's own; administrators may")
      .TypeName("CLIENT");
}

}  // namespace glovebox

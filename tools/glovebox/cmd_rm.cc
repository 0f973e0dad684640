// glovebox rm: ends and removes sandboxes.

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

struct Options {
  std::vector<std::string> ids;
  bool force = false;
};

// OK also for a sandbox that is not there when forced; then `removed` stays empty.
absl::Status RemoveOne(Connection& connection, const std::string& text, bool force,
                       std::string* removed) {
  const auto id = ResolveSandbox(connection, text);
  if (!id.ok()) return force && absl::IsNotFound(id.status()) ? absl::OkStatus() : id.status();
  absl::Status status = DeleteSandbox(connection, nullptr, *id, force);
  if (status.ok()) *removed = *id;
  return status;
}

int Rm(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("rm", connection.status(), kExitFailure);
  int code = 0;
  Json removed = Json::array();
  for (const std::string& text : options.ids) {
    std::string id;
    const absl::Status status = RemoveOne(**connection, text, options.force, &id);
    if (!status.ok()) {
      code = Fail(absl::StrCat("rm ", EscapeForPeople(text, 80)), status, kExitFailure);
    } else if (!id.empty()) {
      removed.push_back(id);
    }
  }
  if (!invocation.json) return code;
  const int printed = Print(Pretty({{"removed", removed}}));
  return code != 0 ? code : printed;
}

}  // namespace

void AddRm(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "rm",
                      "End all commands of sandboxes and remove them with their files",
                      "  glovebox rm 3f2a 91bc\n"
                      "  glovebox ls -q | xargs -r glovebox rm --force",
                      [&invocation, options] { return Rm(invocation, *options); });
  verb.AddOption("ID", options->ids, "Sandboxes").Required();
  verb.AddFlag("-f,--force", options->force, "A sandbox that is not there is no error");
}

}  // namespace glovebox

// glovebox inspect: all that is known of a sandbox, as JSON.
#include <memory>

#include "base/status.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

absl::StatusOr<v1::Sandbox> Fetch(const Invocation& invocation, const std::string& text) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  ASSIGN_OR_RETURN(const std::string id, ResolveSandbox(*connection, text));
  return GetSandbox(*connection, id);
}

int Inspect(const Invocation& invocation, const std::string& id) {
  const auto sandbox = Fetch(invocation, id);
  if (!sandbox.ok()) return Fail("inspect", sandbox.status(), kExitFailure);
  return Print(Pretty(SandboxJson(*sandbox)));
}

}  // namespace

void AddInspect(Verb app, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  Verb verb = AddVerb(app, invocation, "inspect", "Show a sandbox as JSON",
                      "  glovebox inspect 3f2a | jq .limits",
                      [&invocation, id] { return Inspect(invocation, *id); });
  verb.AddOption("ID", *id, "Sandbox").Required();
}

}  // namespace glovebox

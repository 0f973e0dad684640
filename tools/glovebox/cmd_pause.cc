// glovebox pause and resume: everything in a sandbox stands still, and goes on.
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
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

template <typename Request, typename Response>
absl::StatusOr<v1::Sandbox> ChangeOne(Connection& connection, const std::string& text) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(connection, text));
  Response response;
  RETURN_IF_ERROR(Call(connection, request, &response));
  return response.sandbox();
}

template <typename Request, typename Response>
int ChangeAll(const Invocation& invocation, const std::string& word,
              const std::vector<std::string>& ids) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail(word, connection.status(), kExitFailure);
  int code = 0;
  Json changed = Json::array();
  for (const std::string& text : ids) {
    const auto sandbox = ChangeOne<Request, Response>(**connection, text);
    if (sandbox.ok()) {
      changed.push_back(SandboxJson(*sandbox));
    } else {
      code =
          Fail(absl::StrCat(word, " ", EscapeForPeople(text, 80)), sandbox.status(), kExitFailure);
    }
  }
  if (!invocation.json) return code;
  const int printed = Print(Pretty(changed));
  return code != 0 ? code : printed;
}

}  // namespace

void AddPause(Verb app, Invocation& invocation) {
  auto ids = std::make_shared<std::vector<std::string>>();
  Verb verb = AddVerb(
      app, invocation, "pause", "Stop every process of sandboxes where it stands",
      "  glovebox pause 3f2a\n"
      "  glovebox resume 3f2a\n"
      "Limits on the time of commands stand still too. Files and output can be read meanwhile.",
      [&invocation, ids] {
        return ChangeAll<v1::PauseSandboxRequest, v1::PauseSandboxResponse>(invocation, "pause",
                                                                            *ids);
      });
  verb.AddOption("ID", *ids, "Sandboxes").Required();
}

void AddResume(Verb app, Invocation& invocation) {
  auto ids = std::make_shared<std::vector<std::string>>();
  Verb verb = AddVerb(app, invocation, "resume", "Let paused sandboxes go on",
                      "  glovebox resume 3f2a", [&invocation, ids] {
                        return ChangeAll<v1::ResumeSandboxRequest, v1::ResumeSandboxResponse>(
                            invocation, "resume", *ids);
                      });
  verb.AddOption("ID", *ids, "Sandboxes").Required();
}

}  // namespace glovebox

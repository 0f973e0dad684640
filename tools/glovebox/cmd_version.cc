// glovebox version: of this program, and of the daemon when one answers.

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "glovebox/v1/node.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/print.h"

namespace glovebox {
namespace {

constexpr absl::Duration kCallTime = absl::Seconds(5);

int Version(const Invocation& invocation) {
  Json out;
  out["client"] = GLOVEBOX_VERSION;
  out["daemon"] = nullptr;
  std::string text = absl::StrCat("glovebox ", GLOVEBOX_VERSION, "\n");
  auto connection = Connection::Open(invocation.socket);
  if (connection.ok()) {
    CallControl control(kCallTime);
    v1::GetNodeResponse response;
    if (Call(**connection, v1::GetNodeRequest(), &response, &control).ok()) {
      const v1::Version& version = response.node().version();
      out["daemon"] = NodeJson(response.node())["version"];
      absl::StrAppend(&text, "gloveboxd ", EscapeForPeople(version.glovebox(), 100), " on Linux ",
                      EscapeForPeople(version.kernel(), 100), " ",
                      EscapeForPeople(version.machine(), 100), "\n");
    }
  } else {
    absl::StrAppend(&text, "gloveboxd: ", EscapeForPeople(connection.status().message()), "\n");
  }
  return Print(invocation.json ? Pretty(out) : text);
}

}  // namespace

void AddVersion(Verb app, Invocation& invocation) {
  AddVerb(app, invocation, "version", "Show the versions of this program and of the daemon",
          "  glovebox version --json | jq -r .client",
          [&invocation] { return Version(invocation); });
}

}  // namespace glovebox

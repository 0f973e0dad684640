// glovebox create: makes a sandbox and prints its id.
#include <memory>

#include "absl/strings/str_cat.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

int Create(const Invocation& invocation, const SandboxOptions& options) {
  // Options are looked at before the daemon is: what is wrong with them is so everywhere.
  if (const auto checked = BuildCreateRequest(options); !checked.ok()) {
    return Fail("create", checked.status(), kExitUsage);
  }
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("create", connection.status(), kExitFailure);
  const auto request = PrepareCreate(**connection, options);
  if (!request.ok()) return Fail("create", request.status(), kExitFailure);
  const auto sandbox = CreateSandbox(**connection, nullptr, *request);
  if (!sandbox.ok()) return Fail("create", sandbox.status(), kExitFailure);
  return Print(invocation.json ? Pretty(SandboxJson(*sandbox)) : absl::StrCat(sandbox->id(), "\n"));
}

}  // namespace

void AddCreate(Verb app, Invocation& invocation) {
  auto options = std::make_shared<SandboxOptions>();
  Verb verb = AddVerb(app, invocation, "create", "Make a sandbox and print its id",
                      "  glovebox create\n"
                      "  glovebox create --repo ~/src/zlib@v1.3 --memory 2GiB --cpus 2\n"
                      "  id=$(glovebox create --repo .) && glovebox exec $id -- make test",
                      [&invocation, options] { return Create(invocation, *options); });
  AddCreateOptions(verb, *options);
}

}  // namespace glovebox

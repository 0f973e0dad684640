// glovebox exec: runs a command in a sandbox.

#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "tools/glovebox/attached_command.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/exec_options.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

struct Options {
  std::string sandbox;
  std::string exec_id;
  bool detach = false;
  ExecOptions exec;
};

int StartDetached(const Invocation& invocation, Connection& connection, const std::string& id,
                  const Options& options, const v1::ExecSpec& spec) {
  v1::StartExecRequest request;
  request.set_sandbox_id(id);
  request.set_exec_id(options.exec_id.empty() ? NewExecId() : options.exec_id);
  *request.mutable_spec() = spec;
  v1::StartExecResponse response;
  const absl::Status status = Call(connection, request, &response);
  if (!status.ok()) return Fail("exec", status, kExitGlovebox);
  return Print(invocation.json ? Pretty(ExecJson(response.exec()))
                               : absl::StrCat(response.exec().exec_id(), "\n"));
}

int Exec(const Invocation& invocation, const Options& options) {
  const auto spec =
      BuildExecSpec(options.exec, invocation.command, CurrentWindowSize(), std::getenv("TERM"));
  if (!spec.ok()) return Fail("exec", spec.status(), kExitGlovebox);
  if (options.detach && options.exec.interactive) {
    return Fail("exec",
                absl::InvalidArgumentError("--detach and --interactive exclude each other: nobody "
                                           "would be there to give input"),
                kExitGlovebox);
  }
  const auto reconnect = ReconnectPolicyOf(options.exec.reconnect);
  if (!reconnect.ok()) return Fail("exec", reconnect.status(), kExitGlovebox);
  if (!options.detach) BlockSignals();
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("exec", connection.status(), kExitGlovebox);
  const auto id = ResolveSandbox(**connection, options.sandbox);
  if (!id.ok()) return Fail("exec", id.status(), kExitGlovebox);
  if (options.detach) return StartDetached(invocation, **connection, *id, options, *spec);
  Interrupts interrupts;
  AttachedCommand command;
  command.sandbox_id = *id;
  command.exec_id = options.exec_id.empty() ? NewExecId() : options.exec_id;
  command.spec = *spec;
  command.interactive = options.exec.interactive;
  command.json = invocation.json;
  command.reconnect = *reconnect;
  return RunAttached(**connection, interrupts, command);
}

}  // namespace

void AddExec(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "exec",
                      "Run a command in a sandbox: exec [OPTIONS] ID -- COMMAND [ARGUMENT...]",
                      "  glovebox exec 3f2a -- make test\n"
                      "  glovebox exec -i 3f2a -- tar -x < files.tar\n"
                      "  glovebox exec -it 3f2a -- bash\n"
                      "  e=$(glovebox exec --detach 3f2a -- make) && glovebox logs -f 3f2a $e\n"
                      "The exit code is the command's own; see glovebox --help for 124 to 127.",
                      [&invocation, options] { return Exec(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddFlag("-d,--detach", options->detach, "Print the exec's id and leave it running");
  verb.AddOption("--exec-id", options->exec_id, "Name of the exec, unique in the sandbox")
      .TypeName("E");
  AddExecOptions(verb, options->exec);
}

}  // namespace glovebox

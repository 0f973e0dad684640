// glovebox attach: a command that was started before, as if it had been started here.
#include <memory>

#include "base/status.h"
#include "tools/glovebox/attached_command.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

struct Options {
  std::string sandbox;
  std::string exec_id;
  bool interactive = false;
  bool no_history = false;
  ReconnectOptions reconnect;
};

absl::StatusOr<AttachedCommand> Find(const Invocation& invocation, const Options& options,
                                     Connection& connection) {
  AttachedCommand command;
  ASSIGN_OR_RETURN(command.reconnect, ReconnectPolicyOf(options.reconnect));
  ASSIGN_OR_RETURN(command.sandbox_id, ResolveSandbox(connection, options.sandbox));
  ASSIGN_OR_RETURN(const v1::Exec exec, GetExec(connection, command.sandbox_id, options.exec_id));
  command.exec_id = exec.exec_id();
  command.spec = exec.spec();
  command.start = false;
  command.stdin_offset = exec.stdin_offset();
  command.from_sequence = options.no_history ? exec.last_sequence() + 1 : 0;
  command.interactive = options.interactive;
  command.forward_signals = options.interactive;
  command.json = invocation.json;
  const bool has_input =
      exec.spec().has_terminal() || exec.spec().stdin_mode() == v1::STDIN_MODE_PIPE;
  if (options.interactive && !has_input) {
    return absl::FailedPreconditionError(
        "the command was started without input: attach without --interactive");
  }
  return command;
}

int Attach(const Invocation& invocation, const Options& options) {
  BlockSignals();
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("attach", connection.status(), kExitGlovebox);
  const auto command = Find(invocation, options, **connection);
  if (!command.ok()) return Fail("attach", command.status(), kExitGlovebox);
  Interrupts interrupts;
  return RunAttached(**connection, interrupts, *command);
}

}  // namespace

void AddAttach(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "attach",
                      "Show a running command's output, give it input, wait for its end",
                      "  e=$(glovebox exec --detach 3f2a -- make) && glovebox attach 3f2a $e\n"
                      "  glovebox attach -i 3f2a shell\n"
                      "Without -i, Ctrl-C leaves the command alone. The exit code is the command's "
                      "own;\nsee glovebox --help for 124 to 127.",
                      [&invocation, options] { return Attach(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("EXEC", options->exec_id, "Exec").Required();
  verb.AddFlag("-i,--interactive", options->interactive,
               "Give our standard input and our signals to the command");
  verb.AddFlag("--no-history", options->no_history, "Only output that is yet to come");
  AddReconnectOptions(verb, options->reconnect);
}

}  // namespace glovebox

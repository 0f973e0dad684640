// glovebox shell: a shell in a sandbox, on our terminal; or one that stays and takes command after
// command.
#include <csignal>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "glovebox/v1/exec.pb.h"
#include "glovebox/v1/frame.pb.h"
#include "tools/glovebox/attached_command.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/exec_options.h"
#include "tools/glovebox/exec_stream.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/frame_output.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/reconnect.h"
#include "tools/glovebox/sandbox_calls.h"
#include "tools/glovebox/sizes.h"

namespace glovebox {
namespace {

constexpr int kNumberTries = 5;
constexpr char kInteractive[] =
    "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi";

struct Options {
  std::string sandbox;
  std::string name = "shell";
  std::string script;
  std::string timeout;
  ReconnectOptions reconnect;
};

// What becomes of one command, from its frames.
struct CommandView {
  FrameOutput output;
  std::optional<v1::CommandEnded> command;
  std::optional<v1::End> exec;

  absl::Status Take(const v1::Frame& frame) {
    if (frame.has_command_ended()) command = frame.command_ended();
    if (frame.has_end()) exec = frame.end();
    return output.Write(frame);
  }
};

// The number of the shell's next command; starts the shell when there is none.
absl::StatusOr<uint64_t> StartShell(Connection& connection, const std::string& sandbox_id,
                                    const std::string& name, const ReconnectPolicy& policy) {
  const auto exec = GetExec(connection, sandbox_id, name);
  if (exec.ok()) return exec->last_command() + 1;
  if (!absl::IsNotFound(exec.status())) return exec.status();
  v1::StartExecRequest request;
  request.set_sandbox_id(sandbox_id);
  request.set_exec_id(name);
  request.mutable_spec()->set_shell(true);
  HoldWhileAway(policy, request.mutable_spec());
  v1::StartExecResponse response;
  RETURN_IF_ERROR(Call(connection, request, &response));
  return response.exec().last_command() + 1;
}

// Until its end, or that of the shell.
absl::Status Follow(Connection& connection, const v1::RunShellCommandRequest& request,
                    ReconnectPolicy policy, CommandView* view, bool* number_taken) {
  ExecStream stream(connection, request, policy);
  v1::Frame frame;
  for (;;) {
    const absl::StatusOr<bool> next = stream.Next(&frame);
    *number_taken = !stream.was_broken() && (HasReason(next.status(), "COMMAND_NUMBER_REUSED") ||
                                             HasReason(next.status(), "COMMAND_PASSED"));
    if (!next.ok()) return next.status();
    if (!*next) return absl::OkStatus();
    RETURN_IF_ERROR(view->Take(frame));
  }
}

// Another client may take the number meanwhile: then ours was not run, and another number is tried.
absl::Status RunCommand(Connection& connection, v1::RunShellCommandRequest request,
                        ReconnectPolicy policy, CommandView* view) {
  CallControl control;
  for (int left = kNumberTries;; --left) {
    uint64_t number = 0;
    RETURN_IF_ERROR(Persist(policy, connection, control, [&]() -> absl::Status {
      ASSIGN_OR_RETURN(number,
                       StartShell(connection, request.sandbox_id(), request.exec_id(), policy));
      return absl::OkStatus();
    }));
    request.set_number(number);
    bool number_taken = false;
    absl::Status status = Follow(connection, request, policy, view, &number_taken);
    if (!number_taken || left == 0) return status;
  }
}

int ReportEnd(const v1::CommandEnded& end, const std::string& timeout) {
  if (end.cause() == v1::COMMAND_CAUSE_TIMED_OUT) {
    Note(absl::StrCat("command timed out after ", timeout,
                      end.shell_ended() ? "; its shell was killed" : "; its shell lives on"));
    return kExitTimedOut;
  }
  if (end.has_signal()) {
    Note(absl::StrCat("the shell was killed by ", SignalName(end.signal())));
    return kExitSignalBase + end.signal();
  }
  return end.has_exit_code() ? end.exit_code() : kExitGlovebox;
}

int RunScript(const Invocation& invocation, Connection& connection, const std::string& sandbox_id,
              const Options& options) {
  v1::RunShellCommandRequest request;
  request.set_sandbox_id(sandbox_id);
  request.set_exec_id(options.name);
  request.set_script(options.script);
  if (!options.timeout.empty()) {
    const auto limit = ParseTimeout(options.timeout);
    if (!limit.ok()) return Fail("shell", limit.status(), kExitGlovebox);
    request.mutable_wall_time()->set_seconds(absl::ToInt64Seconds(*limit));
    request.mutable_wall_time()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(*limit % absl::Seconds(1))));
  }
  const auto reconnect = ReconnectPolicyOf(options.reconnect);
  if (!reconnect.ok()) return Fail("shell", reconnect.status(), kExitGlovebox);
  CommandView view;
  view.output.json = invocation.json;
  Interrupts interrupts;
  // To all that the command runs, and to the shell, which abandons it and lives on.
  interrupts.SetHandler([&](int signal) {
    if (signal == SIGWINCH || signal == SIGCONT || signal == SIGTSTP) return;
    v1::SignalExecRequest interrupt;
    interrupt.set_sandbox_id(sandbox_id);
    interrupt.set_exec_id(options.name);
    interrupt.set_signal(SIGINT);
    interrupt.set_scope(v1::SIGNAL_SCOPE_TREE);
    v1::SignalExecResponse response;
    (void)Call(connection, interrupt, &response);  // it has ended meanwhile, which is seen anyway
  });
  const absl::Status status = RunCommand(connection, request, *reconnect, &view);
  interrupts.SetHandler(nullptr);
  if (view.command.has_value()) return ReportEnd(*view.command, options.timeout);
  if (view.exec.has_value()) {
    if (const auto reason = ReasonOf(*view.exec, std::nullopt); reason.has_value()) Note(*reason);
    return ExitCodeOf(*view.exec);
  }
  return Fail(
      "shell",
      status.ok() ? absl::UnavailableError("the stream ended without the command's end") : status,
      kExitGlovebox);
}

int RunInteractive(Connection& connection, const std::string& sandbox_id) {
  ExecOptions options;
  options.interactive = options.terminal = true;
  const auto spec =
      BuildExecSpec(options, {"sh", "-c", kInteractive}, CurrentWindowSize(), std::getenv("TERM"));
  if (!spec.ok()) return Fail("shell", spec.status(), kExitGlovebox);
  Interrupts interrupts;
  AttachedCommand command;
  command.sandbox_id = sandbox_id;
  command.exec_id = NewExecId();
  command.spec = *spec;
  command.interactive = true;
  return RunAttached(connection, interrupts, command);
}

int Shell(const Invocation& invocation, const Options& options) {
  BlockSignals();
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("shell", connection.status(), kExitGlovebox);
  const auto id = ResolveSandbox(**connection, options.sandbox);
  if (!id.ok()) return Fail("shell", id.status(), kExitGlovebox);
  if (options.script.empty()) return RunInteractive(**connection, *id);
  return RunScript(invocation, **connection, *id, options);
}

}  // namespace

void AddShell(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb =
      AddVerb(app, invocation, "shell",
              "A shell in a sandbox: on this terminal, or command by command with -c",
              "  glovebox shell 3f2a\n"
              "  glovebox shell 3f2a --id build -c 'cd src && export CC=clang'\n"
              "  glovebox shell 3f2a --id build -c 'pwd; make' --timeout 10m\n"
              "With -c the shell of that name is started when there is none, keeps directory,\n"
              "variables and functions, and the exit code is the command's own.",
              [&invocation, options] { return Shell(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("-c,--command", options->script, "What the shell is to evaluate")
      .TypeName("SCRIPT");
  verb.AddOption("--id", options->name, "Name of the shell that stays (shell)").TypeName("NAME");
  verb.AddOption("--timeout", options->timeout,
                 "End the command, not the shell, after so long; exit code 124")
      .TypeName("TIME");
  AddReconnectOptions(verb, options->reconnect);
}

}  // namespace glovebox

// glovebox run: makes a sandbox, runs one command in it, and removes it however that went.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "tools/glovebox/attached_command.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/exec_options.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/sandbox_calls.h"

namespace glovebox {
namespace {

// By this label a sandbox is found whose creation was interrupted before its id came.
constexpr char kRunLabel[] = "glovebox.dev/run";
constexpr absl::Duration kRemovalTime = absl::Seconds(60);

void Remove(Connection& connection, Interrupts& interrupts, ReconnectPolicy reconnect,
            const std::string& id) {
  CallControl control(kRemovalTime);
  std::atomic<int> signals = 0;
  // One impatient signal is for the command that has just ended; the second is for us.
  interrupts.SetHandler([&](int signal) {
    if ((signal == SIGINT || signal == SIGTERM) && ++signals >= 2) control.Cancel();
  });
  const absl::Status status = Persist(reconnect, connection, control, [&] {
    return DeleteSandbox(connection, &control, id, /*allow_missing=*/true);
  });
  interrupts.SetHandler(nullptr);
  if (!status.ok()) {
    (void)Fail(absl::StrCat("sandbox ", id, " could not be removed"), status, 0);
  }
}

int RemoveInterrupted(Connection& connection, Interrupts& interrupts, ReconnectPolicy reconnect,
                      const std::string& run_id, int signal) {
  v1::ListSandboxesRequest filter;
  (*filter.mutable_label_filter())[kRunLabel] = run_id;
  const auto left = AllSandboxes(connection, filter);
  if (!left.ok()) return Fail("run: looking for what was made", left.status(), kExitGlovebox);
  for (const v1::Sandbox& sandbox : *left) Remove(connection, interrupts, reconnect, sandbox.id());
  return kExitSignalBase + signal;
}

int Run(const Invocation& invocation, const SandboxOptions& sandbox_options,
        const ExecOptions& exec_options) {
  const auto spec =
      BuildExecSpec(exec_options, invocation.command, CurrentWindowSize(), std::getenv("TERM"));
  if (!spec.ok()) return Fail("run", spec.status(), kExitGlovebox);
  if (const auto checked = BuildCreateRequest(sandbox_options); !checked.ok()) {
    return Fail("run", checked.status(), kExitGlovebox);
  }
  const auto reconnect = ReconnectPolicyOf(exec_options.reconnect);
  if (!reconnect.ok()) return Fail("run", reconnect.status(), kExitGlovebox);
  BlockSignals();
  Interrupts interrupts;
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("run", connection.status(), kExitGlovebox);
  auto request = PrepareCreate(**connection, sandbox_options);
  if (!request.ok()) return Fail("run", request.status(), kExitGlovebox);
  (*request->mutable_labels())[kRunLabel] = request->request_id();

  CallControl control;
  std::atomic<int> interrupted = 0;
  interrupts.SetHandler([&](int signal) {
    if (signal != SIGINT && signal != SIGTERM && signal != SIGHUP && signal != SIGQUIT) return;
    interrupted = signal;
    control.Cancel();
  });
  absl::StatusOr<v1::Sandbox> sandbox;
  // The request has an id: sent again it makes no second sandbox.
  (void)Persist(*reconnect, **connection, control, [&] {
    sandbox = CreateSandbox(**connection, &control, *request);
    return sandbox.status();
  });  // the status is the sandbox's
  interrupts.SetHandler(nullptr);
  if (interrupted != 0) {
    return RemoveInterrupted(**connection, interrupts, *reconnect, request->request_id(),
                             interrupted);
  }
  if (!sandbox.ok()) return Fail("run", sandbox.status(), kExitGlovebox);
  AttachedCommand command;
  command.sandbox_id = sandbox->id();
  command.exec_id = NewExecId();
  command.spec = *spec;
  command.interactive = exec_options.interactive;
  command.json = invocation.json;
  command.reconnect = *reconnect;
  const int code = RunAttached(**connection, interrupts, command);
  Remove(**connection, interrupts, *reconnect, sandbox->id());
  return code;
}

}  // namespace

void AddRun(Verb app, Invocation& invocation) {
  auto sandbox_options = std::make_shared<SandboxOptions>();
  auto exec_options = std::make_shared<ExecOptions>();
  Verb verb = AddVerb(
      app, invocation, "run",
      "Make a sandbox, run a command in it, remove it: run [OPTIONS] -- COMMAND [ARGUMENT...]",
      "  glovebox run -- python3 -c 'print(6 * 7)'\n"
      "  glovebox run --repo .@main --timeout 10m -- make test\n"
      "  glovebox run -it -- bash\n"
      "The exit code is the command's own; see glovebox --help for 124 to 127.",
      [&invocation, sandbox_options, exec_options] {
        return Run(invocation, *sandbox_options, *exec_options);
      });
  AddCreateOptions(verb, *sandbox_options);
  AddExecOptions(verb, *exec_options);
}

}  // namespace glovebox

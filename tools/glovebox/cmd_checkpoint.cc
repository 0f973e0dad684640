// glovebox checkpoint create, ls, rm, and rollback: states of a sandbox's files to go back to.
#include <unistd.h>

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
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/table.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

struct Options {
  std::string id;
  std::string name;
  std::vector<std::string> names;
};

// Connects, makes the call with the sandbox's whole id, and lets `show` print the response.
template <typename Request, typename Response, typename Show>
int CallAndShow(const Invocation& invocation, const std::string& word, const std::string& id,
                Request request, Show show) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail(word, connection.status(), kExitFailure);
  const auto sandbox = ResolveSandbox(**connection, id);
  if (!sandbox.ok()) return Fail(word, sandbox.status(), kExitFailure);
  request.set_sandbox_id(*sandbox);
  Response response;
  const absl::Status called = Call(**connection, request, &response);
  if (!called.ok()) return Fail(word, called, kExitFailure);
  return show(response);
}

int Create(const Invocation& invocation, const Options& options) {
  v1::CheckpointSandboxRequest request;
  if (!options.name.empty()) request.set_checkpoint_id(options.name);
  return CallAndShow<v1::CheckpointSandboxRequest, v1::CheckpointSandboxResponse>(
      invocation, "checkpoint create", options.id, std::move(request),
      [&](const v1::CheckpointSandboxResponse& response) {
        const v1::Checkpoint& checkpoint = response.checkpoint();
        return Print(invocation.json ? Pretty(CheckpointJson(checkpoint))
                                     : absl::StrCat(checkpoint.checkpoint_id(), "\n"));
      });
}

int Ls(const Invocation& invocation, const Options& options) {
  // A sandbox has less than a page holds.
  return CallAndShow<v1::ListCheckpointsRequest, v1::ListCheckpointsResponse>(
      invocation, "checkpoint ls", options.id, v1::ListCheckpointsRequest(),
      [&](const v1::ListCheckpointsResponse& response) {
        Json json = Json::array();
        std::vector<std::vector<std::string>> rows = {{"NAME", "CREATED", "SIZE"}};
        for (const v1::Checkpoint& checkpoint : response.checkpoints()) {
          json.push_back(CheckpointJson(checkpoint));
          rows.push_back({EscapeForPeople(checkpoint.checkpoint_id(), 63),
                          TimeText(checkpoint.create_time()), FormatSize(checkpoint.disk_bytes())});
        }
        return Print(invocation.json ? Pretty(json)
                                     : FormatTable(rows, ColourWanted(STDOUT_FILENO)));
      });
}

int Rm(const Invocation& invocation, const Options& options) {
  int code = 0;
  Json removed = Json::array();
  for (const std::string& name : options.names) {
    v1::DeleteCheckpointRequest request;
    request.set_checkpoint_id(name);
    const int one = CallAndShow<v1::DeleteCheckpointRequest, v1::DeleteCheckpointResponse>(
        invocation, absl::StrCat("checkpoint rm ", EscapeForPeople(name, 80)), options.id,
        std::move(request), [&](const v1::DeleteCheckpointResponse&) {
          removed.push_back(name);
          return 0;
        });
    if (one != 0) code = one;
  }
  if (invocation.json) (void)Print(Pretty({{"removed", removed}}));  // `code` is what counts
  return code;
}

int Rollback(const Invocation& invocation, const Options& options) {
  v1::RestoreCheckpointRequest request;
  request.set_checkpoint_id(options.name);
  return CallAndShow<v1::RestoreCheckpointRequest, v1::RestoreCheckpointResponse>(
      invocation, "rollback", options.id, std::move(request),
      [&](const v1::RestoreCheckpointResponse& response) {
        return invocation.json ? Print(Pretty(SandboxJson(response.sandbox()))) : 0;
      });
}

}  // namespace

void AddCheckpoint(Verb app, Invocation& invocation) {
  Verb group = app.AddGroup("checkpoint", "Keep states of a sandbox's files to roll back to");
  auto made = std::make_shared<Options>();
  Verb create = AddVerb(group, invocation, "create",
                        "Keep the files as they are now; print the checkpoint's name",
                        "  glovebox checkpoint create 3f2a before-refactoring\n"
                        "Processes, /tmp and /dev/shm are not kept. At most 16 for each sandbox.",
                        [&invocation, made] { return Create(invocation, *made); });
  create.AddOption("ID", made->id, "Sandbox").Required();
  create.AddOption("NAME", made->name, "Name of the checkpoint (chosen by the daemon)");
  auto listed = std::make_shared<Options>();
  Verb ls = AddVerb(group, invocation, "ls", "List a sandbox's checkpoints",
                    "  glovebox checkpoint ls 3f2a",
                    [&invocation, listed] { return Ls(invocation, *listed); });
  ls.AddOption("ID", listed->id, "Sandbox").Required();
  auto removed = std::make_shared<Options>();
  Verb rm = AddVerb(group, invocation, "rm", "Remove checkpoints",
                    "  glovebox checkpoint rm 3f2a before-refactoring",
                    [&invocation, removed] { return Rm(invocation, *removed); });
  rm.AddOption("ID", removed->id, "Sandbox").Required();
  rm.AddOption("NAME", removed->names, "Checkpoints").Required();
}

void AddRollback(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "rollback", "Put a sandbox's files back to a checkpoint",
                      "  glovebox rollback 3f2a before-refactoring\n"
                      "Every command in the sandbox ends. All checkpoints stay.",
                      [&invocation, options] { return Rollback(invocation, *options); });
  verb.AddOption("ID", options->id, "Sandbox").Required();
  verb.AddOption("NAME", options->name, "Checkpoint").Required();
}

}  // namespace glovebox

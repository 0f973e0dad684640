// glovebox logs: shows the output of a command.
#include <memory>

#include "base/status.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/exec_stream.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/frame_output.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

struct Options {
  std::string sandbox;
  std::string exec_id;
  bool follow = false;
  bool timestamps = false;
  ReconnectOptions reconnect;
};

absl::Status Show(const Invocation& invocation, const Options& options) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  v1::AttachExecRequest request;
  ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(*connection, options.sandbox));
  request.set_exec_id(options.exec_id);
  request.set_no_follow(!options.follow);
  ASSIGN_OR_RETURN(const ReconnectPolicy reconnect, ReconnectPolicyOf(options.reconnect));
  ExecStream stream(*connection, request, reconnect);
  FrameOutput output;
  output.json = invocation.json;
  output.timestamps = options.timestamps;
  v1::Frame frame;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, stream.Next(&frame));
    if (!more) return absl::OkStatus();
    RETURN_IF_ERROR(output.Write(frame));
  }
}

int Logs(const Invocation& invocation, const Options& options) {
  const absl::Status status = Show(invocation, options);
  if (status.ok() || IsBrokenPipe(status)) return 0;  // a pager that was left has seen enough
  return Fail("logs", status, kExitFailure);
}

}  // namespace

void AddLogs(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "logs",
                      "Show a command's output: stdout on stdout, stderr on stderr",
                      "  glovebox logs 3f2a build\n"
                      "  glovebox logs -f --timestamps 3f2a build",
                      [&invocation, options] { return Logs(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("EXEC", options->exec_id, "Exec").Required();
  verb.AddFlag("-f,--follow", options->follow, "Go on until the command has ended");
  verb.AddFlag("--timestamps", options->timestamps,
               "Begin each line with the host's monotonic time in seconds");
  AddReconnectOptions(verb, options->reconnect);
}

}  // namespace glovebox

// glovebox net: which connections a sandbox's commands asked for, and what became of them.
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "glovebox/v1/network.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/net_line.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/reconnect.h"

namespace glovebox {
namespace {

struct Options {
  std::string id;
  bool follow = false;
  bool refused = false;
  std::string since;
  ReconnectOptions reconnect;
};

std::string Line(const v1::WatchConnectionsResponse& message, bool json, bool all) {
  switch (message.item_case()) {
    case v1::WatchConnectionsResponse::kRecord:
      return json ? OneLine(ConnectionJson(message.record())) : NetLine(message.record(), all);
    case v1::WatchConnectionsResponse::kLostCount:
      if (json) return OneLine({{"lost_count", message.lost_count()}});
      return absl::StrCat("... up to ", message.lost_count(), " records are missing\n");
    case v1::WatchConnectionsResponse::kFreshInstance:
      if (json) return OneLine({{"fresh_instance", true}});
      return "... the daemon was restarted: what there was meanwhile is not known\n";
    case v1::WatchConnectionsResponse::ITEM_NOT_SET:
      break;
  }
  return "";
}

// From the cursor of the request on, until the stream ends by itself.
absl::Status Watch(Connection& connection, const Options& options, bool json,
                   v1::WatchConnectionsRequest* request, int* exit_code) {
  ASSIGN_OR_RETURN(const ReconnectPolicy policy, ReconnectPolicyOf(options.reconnect));
  CallControl control;
  Outage outage(policy);
  const bool all = request->sandbox_id().empty();
  while (true) {
    absl::Status status =
        CallStream(connection, *request, [&](v1::WatchConnectionsResponse& message) {
          (void)outage.Mended();
          *exit_code = Print(Line(message, json, all));
          if (message.has_record()) request->set_cursor(message.record().cursor());
          return *exit_code == 0 ? absl::OkStatus() : absl::CancelledError("stdout is closed");
        });
    if (*exit_code != 0) return absl::OkStatus();
    if (!IsConnectionTrouble(status)) return status;
    ASSIGN_OR_RETURN(const absl::Duration pause, outage.Failed(status));
    (void)WaitToTryAgain(connection, control, pause);
  }
}

int Net(const Invocation& invocation, const Options& options) {
  v1::WatchConnectionsRequest request;
  request.set_refused_only(options.refused);
  request.set_no_follow(!options.follow);
  request.set_cursor(options.since);  // "": all that is kept
  int exit_code = 0;
  const auto run = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
    if (!options.id.empty()) {
      ASSIGN_OR_RETURN(*request.mutable_sandbox_id(), ResolveSandbox(*connection, options.id));
    }
    return Watch(*connection, options, invocation.json, &request, &exit_code);
  };
  const absl::Status status = run();
  return status.ok() ? exit_code : Fail("net", status, kExitFailure);
}

}  // namespace

void AddNet(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "net",
                      "Show the connections that commands asked for, and what was refused",
                      "  glovebox net 3f2a --refused\n"
                      "  glovebox net -f 3f2a --json | jq -c .",
                      [&invocation, options] { return Net(invocation, *options); });
  verb.AddOption("ID", options->id, "Sandbox (all of them)");
  verb.AddFlag("-f,--follow", options->follow,
               "Go on with what comes, until the sandbox is removed or interrupted");
  verb.AddFlag("--refused", options->refused, "Only what was refused or cut");
  verb.AddOption("--since", options->since, "Only what came after the record with this cursor")
      .TypeName("CURSOR");
  AddReconnectOptions(verb, options->reconnect);
}

}  // namespace glovebox

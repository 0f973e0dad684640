// glovebox exec-status: where a command is in its life, and how it ended.
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/exec_options.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sandbox_calls.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/table.h"

namespace glovebox {
namespace {

struct Options {
  std::string sandbox;
  std::string exec_id;
};

std::string ForPeople(const v1::Exec& exec) {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"exec", EscapeForPeople(exec.exec_id())});
  rows.push_back({"command", EscapeForPeople(absl::StrJoin(exec.spec().arguments(), " "), 200)});
  rows.push_back({"state", EnumWord(v1::ExecState_Name(exec.state()), "EXEC_STATE_")});
  if (exec.has_end()) {
    const v1::End& end = exec.end();
    rows.push_back({"cause", CauseName(end.cause())});
    if (end.has_exit_code()) rows.push_back({"exit code", absl::StrCat(end.exit_code())});
    if (end.has_signal()) rows.push_back({"signal", SignalName(end.signal())});
    if (const auto reason = ReasonOf(end, WallLimit(exec.spec())); reason.has_value()) {
      rows.push_back({"reason", *reason});
    }
    if (end.survivors() > 0) rows.push_back({"survivors", absl::StrCat(end.survivors())});
    if (!end.has_usage()) return FormatTable(rows, false);
    rows.push_back({"wall time", FormatSeconds(absl::Microseconds(end.usage().wall_us()))});
    rows.push_back({"cpu time", FormatSeconds(absl::Microseconds(end.usage().user_us() +
                                                                 end.usage().system_us()))});
    if (end.usage().has_peak_memory_bytes()) {
      rows.push_back({"peak memory", FormatSize(end.usage().peak_memory_bytes())});
    }
  }
  return FormatTable(rows, false);
}

absl::StatusOr<v1::Exec> Fetch(const Invocation& invocation, const Options& options) {
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  ASSIGN_OR_RETURN(const std::string id, ResolveSandbox(*connection, options.sandbox));
  return GetExec(*connection, id, options.exec_id);
}

int ExecStatus(const Invocation& invocation, const Options& options) {
  const auto exec = Fetch(invocation, options);
  if (!exec.ok()) return Fail("exec-status", exec.status(), kExitFailure);
  return Print(invocation.json ? Pretty(ExecJson(*exec)) : ForPeople(*exec));
}

}  // namespace

void AddExecStatus(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "exec-status", "Show how a command is, or how it ended",
                      "  glovebox exec-status 3f2a build\n"
                      "  glovebox exec-status --json 3f2a build | jq .exit_code",
                      [&invocation, options] { return ExecStatus(invocation, *options); });
  verb.AddOption("ID", options->sandbox, "Sandbox").Required();
  verb.AddOption("EXEC", options->exec_id, "Exec").Required();
}

}  // namespace glovebox

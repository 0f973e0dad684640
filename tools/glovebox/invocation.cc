#include "tools/glovebox/invocation.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/glovebox/connection.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/file_verbs.h"

namespace glovebox {
namespace {

constexpr char kFooter[] =
    "Exit codes: run and exec give the command's own, 128 + N when signal N ended it, 124 when it\n"
    "timed out, 125 when Glovebox failed, 126 when it is not executable, 127 when it was not "
    "found.\n"
    "Other verbs: 0, 1 when they failed, 2 for a wrong command line.\n"
    "Ids may be shortened to a unique beginning of at least 4 digits.";

// The verb is the first word that is neither an option nor the value of --socket.
bool TakesCommand(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--socket") {
      ++i;
    } else if (arguments[i].empty() || arguments[i][0] != '-') {
      return arguments[i] == "run" || arguments[i] == "exec";
    }
  }
  return false;
}

// What is behind "--" is the command's, whatever it looks like.
void SplitCommand(std::vector<std::string>& arguments, Invocation& invocation) {
  const auto mark = std::find(arguments.begin(), arguments.end(), "--");
  if (mark == arguments.end()) return;
  invocation.has_command = true;
  invocation.command.assign(std::next(mark), arguments.end());
  arguments.erase(mark, arguments.end());
}

std::string SocketFromEnvironment() {
  const char* value = std::getenv("GLOVEBOX_SOCKET");
  return value != nullptr && *value != '\0' ? value : kDefaultSocket;
}

void AddSharedOptions(Verb app, Invocation& invocation) {
  app.AddOption("--socket", invocation.socket,
                absl::StrCat("Socket of the daemon (GLOVEBOX_SOCKET; ", kDefaultSocket, ")"))
      .TypeName("PATH");
}

}  // namespace

Verb AddVerb(Verb parent, Invocation& invocation, const std::string& name,
             const std::string& summary, const std::string& examples, std::function<int()> action) {
  Verb verb =
      parent.AddVerb(name, summary, absl::StrCat("Examples:\n", examples),
                     [&invocation, action = std::move(action)] { invocation.action = action; });
  AddSharedOptions(verb, invocation);
  verb.AddFlag("--json", invocation.json, "Machine-readable output; docs/cli.md has its shapes");
  return verb;
}

void AddAllVerbs(Verb app, Invocation& invocation) {
  app.app().require_subcommand(1);
  app.app().footer(kFooter);
  app.app().set_help_all_flag("--help-all", "Show the help of all verbs");
  AddSharedOptions(app, invocation);
  AddRun(app, invocation);
  AddCreate(app, invocation);
  AddLs(app, invocation);
  AddInspect(app, invocation);
  AddExec(app, invocation);
  AddShell(app, invocation);
  AddAttach(app, invocation);
  AddLogs(app, invocation);
  AddExecStatus(app, invocation);
  AddChanges(app, invocation);
  AddDiff(app, invocation);
  AddCompare(app, invocation);
  AddCommit(app, invocation);
  AddExport(app, invocation);
  AddPush(app, invocation);
  AddApply(app, invocation);
  AddCat(app, invocation);
  AddWrite(app, invocation);
  AddEdit(app, invocation);
  AddCp(app, invocation);
  AddFork(app, invocation);
  AddCheckpoint(app, invocation);
  AddRollback(app, invocation);
  AddPause(app, invocation);
  AddResume(app, invocation);
  AddPortForward(app, invocation);
  AddPorts(app, invocation);
  AddEgress(app, invocation);
  AddNet(app, invocation);
  AddRm(app, invocation);
  AddImage(app, invocation);
  AddSnapshot(app, invocation);
  AddCache(app, invocation);
  AddSecret(app, invocation);
  AddPreflight(app, invocation);
  AddSeccomp(app, invocation);
  AddVersion(app, invocation);
  AddCompletion(app, invocation);
}

int RunCli(std::vector<std::string> arguments) {
  Invocation invocation;
  invocation.socket = SocketFromEnvironment();
  const bool takes_command = TakesCommand(arguments);
  if (takes_command) SplitCommand(arguments, invocation);
  CLI::App app(
      "Sandboxes for agent tasks: make one at a commit, run commands in it, see what changed.",
      "glovebox");
  AddAllVerbs(Verb(&app), invocation);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    if (code == 0) return 0;  // --help
    return takes_command ? kExitGlovebox : kExitUsage;
  }
  return invocation.action();
}

}  // namespace glovebox

// One run of the program: what every verb shares, and the verb that was chosen.
#ifndef GLOVEBOX_TOOLS_INVOCATION_H_
#define GLOVEBOX_TOOLS_INVOCATION_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tools/glovebox/connection.h"

namespace glovebox {

struct Invocation {
  std::string socket;
  bool json = false;
  bool has_command = false;          // "--" was given
  std::vector<std::string> command;  // what came behind it
  std::function<int()> action;       // set by the verb while parsing; returns the exit code
};

// Adds a verb with --socket and --json; `action` runs after the whole command line has been
// accepted.
CLI::App* AddVerb(CLI::App& parent, Invocation& invocation, const std::string& name,
                  const std::string& summary, const std::string& examples,
                  std::function<int()> action);

// One per verb, in cmd_<verb>.cc.
void AddRun(CLI::App& app, Invocation& invocation);
void AddCreate(CLI::App& app, Invocation& invocation);
void AddLs(CLI::App& app, Invocation& invocation);
void AddInspect(CLI::App& app, Invocation& invocation);
void AddExec(CLI::App& app, Invocation& invocation);
void AddLogs(CLI::App& app, Invocation& invocation);
void AddExecStatus(CLI::App& app, Invocation& invocation);
void AddChanges(CLI::App& app, Invocation& invocation);
void AddDiff(CLI::App& app, Invocation& invocation);
void AddCp(CLI::App& app, Invocation& invocation);
void AddRm(CLI::App& app, Invocation& invocation);
void AddImage(CLI::App& app, Invocation& invocation);
void AddSnapshot(CLI::App& app, Invocation& invocation);
void AddPreflight(CLI::App& app, Invocation& invocation);
void AddVersion(CLI::App& app, Invocation& invocation);
void AddCompletion(CLI::App& app, Invocation& invocation);

// All of the above in the order in which the help shows them.
void AddAllVerbs(CLI::App& app, Invocation& invocation);

// Parses and runs; returns the exit code of the process. `arguments` without the program's name.
int RunCli(std::vector<std::string> arguments);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_INVOCATION_H_

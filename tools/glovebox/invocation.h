// One run of the program: what every verb shares, and the verb that was chosen.
#ifndef GLOVEBOX_TOOLS_INVOCATION_H_
#define GLOVEBOX_TOOLS_INVOCATION_H_

#include <functional>
#include <string>
#include <vector>

#include "tools/glovebox/verb.h"

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
Verb AddVerb(Verb parent, Invocation& invocation, const std::string& name,
             const std::string& summary, const std::string& examples, std::function<int()> action);

// One per verb, in cmd_<verb>.cc.
void AddRun(Verb app, Invocation& invocation);
void AddCreate(Verb app, Invocation& invocation);
void AddLs(Verb app, Invocation& invocation);
void AddInspect(Verb app, Invocation& invocation);
void AddExec(Verb app, Invocation& invocation);
void AddShell(Verb app, Invocation& invocation);
void AddAttach(Verb app, Invocation& invocation);
void AddLogs(Verb app, Invocation& invocation);
void AddExecStatus(Verb app, Invocation& invocation);
void AddChanges(Verb app, Invocation& invocation);
void AddDiff(Verb app, Invocation& invocation);
void AddCompare(Verb app, Invocation& invocation);
void AddCommit(Verb app, Invocation& invocation);
void AddExport(Verb app, Invocation& invocation);
void AddPush(Verb app, Invocation& invocation);
void AddCp(Verb app, Invocation& invocation);
void AddCheckpoint(Verb app, Invocation& invocation);
void AddFork(Verb app, Invocation& invocation);
void AddRollback(Verb app, Invocation& invocation);
void AddPause(Verb app, Invocation& invocation);
void AddResume(Verb app, Invocation& invocation);
void AddPortForward(Verb app, Invocation& invocation);
void AddPorts(Verb app, Invocation& invocation);
void AddEgress(Verb app, Invocation& invocation);
void AddNet(Verb app, Invocation& invocation);
void AddRm(Verb app, Invocation& invocation);
void AddImage(Verb app, Invocation& invocation);
void AddCache(Verb app, Invocation& invocation);
void AddSecret(Verb app, Invocation& invocation);
void AddSnapshot(Verb app, Invocation& invocation);
// Of the group "snapshot".
void AddSnapshotStore(Verb snapshot, Invocation& invocation);
void AddPreflight(Verb app, Invocation& invocation);
void AddSeccomp(Verb app, Invocation& invocation);
void AddVersion(Verb app, Invocation& invocation);
void AddCompletion(Verb app, Invocation& invocation);

// All of the above in the order in which the help shows them.
void AddAllVerbs(Verb app, Invocation& invocation);

// Parses and runs; returns the exit code of the process. `arguments` without the program's name.
int RunCli(std::vector<std::string> arguments);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_INVOCATION_H_

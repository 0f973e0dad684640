// glovebox ls: the sandboxes of this host.
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
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/table.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

struct Options {
  bool quiet = false;
  std::vector<std::string> labels;
};

absl::StatusOr<std::vector<v1::Sandbox>> Fetch(const Invocation& invocation,
                                               const Options& options) {
  v1::ListSandboxesRequest filter;
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label \"", EscapeForPeople(label, 80), "\" is not KEY=VALUE"));
    }
    (*filter.mutable_label_filter())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
  return AllSandboxes(*connection, filter);
}

std::string ForPeople(const std::vector<v1::Sandbox>& sandboxes) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "OWNER", "STATE", "AGE", "IMAGE", "COMMIT", "MEMORY", "COMMANDS"}};
  for (const v1::Sandbox& sandbox : sandboxes) {
    rows.push_back(
        {sandbox.id(), sandbox.owner().empty() ? "-" : EscapeForPeople(sandbox.owner(), 40),
         EnumWord(v1::SandboxState_Name(sandbox.state()), "SANDBOX_STATE_"),
         AgeText(TimeText(sandbox.create_time())), EscapeForPeople(sandbox.image(), 40),
         sandbox.commit().empty() ? "-" : EscapeForPeople(sandbox.commit(), 64).substr(0, 12),
         FormatSize(sandbox.limits().memory_bytes()), absl::StrCat(sandbox.open_exec_count())});
  }
  return FormatTable(rows, ColourWanted(STDOUT_FILENO));
}

int Ls(const Invocation& invocation, const Options& options) {
  const auto sandboxes = Fetch(invocation, options);
  if (!sandboxes.ok()) return Fail("ls", sandboxes.status(), kExitFailure);
  if (invocation.json) {
    Json out = Json::array();
    for (const v1::Sandbox& sandbox : *sandboxes) out.push_back(SandboxJson(sandbox));
    return Print(Pretty(out));
  }
  if (!options.quiet) return Print(ForPeople(*sandboxes));
  std::string ids;
  for (const v1::Sandbox& sandbox : *sandboxes) absl::StrAppend(&ids, sandbox.id(), "\n");
  return Print(ids);
}

}  // namespace

void AddLs(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "ls", "List the sandboxes of this host",
                      "  glovebox ls\n"
                      "  glovebox ls -q --label task=17 | xargs -r glovebox rm",
                      [&invocation, options] { return Ls(invocation, *options); });
  verb.AddFlag("-q,--quiet", options->quiet, "Ids only, one a line");
  verb.AddOption("--label", options->labels, "Only those with this label; may be repeated")
      .TypeName("K=V")
      .Repeated();
}

}  // namespace glovebox

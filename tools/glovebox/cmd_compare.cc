// glovebox compare: what several sandboxes of one base made of it.

#include <unistd.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/status.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/compare_text.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/invocation.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

constexpr uint64_t kPathsMax = 10'000;
constexpr size_t kPatchShownMax = 1 << 20;  // of one path of one sandbox

struct Options {
  std::vector<std::string> sandboxes;
  std::string exec;
  std::string paths_max;
  std::string side_by_side;
  bool all = false;
};

absl::StatusOr<v1::CompareSandboxesRequest> BuildRequest(Connection& connection,
                                                         const Options& options) {
  v1::CompareSandboxesRequest request;
  for (const std::string& word : options.sandboxes) {
    const size_t colon = word.find(':');
    v1::ComparedSandbox* compared = request.add_sandboxes();
    ASSIGN_OR_RETURN(*compared->mutable_sandbox_id(),
                     ResolveSandbox(connection, word.substr(0, colon)));
    if (colon != std::string::npos) {
      compared->set_exec_id(word.substr(colon + 1));
    } else if (!options.exec.empty()) {
      compared->set_exec_id(options.exec);
    }
  }
  if (!options.paths_max.empty()) {
    ASSIGN_OR_RETURN(const uint64_t paths_max, ParseCount(options.paths_max, kPathsMax));
    request.set_paths_max(static_cast<uint32_t>(paths_max));
  } else if (!options.side_by_side.empty()) {
    request.set_paths_max(kPathsMax);
  }
  return request;
}

// What one sandbox made of one path, cut after kPatchShownMax.
absl::StatusOr<std::string> FetchPatch(Connection& connection, const std::string& sandbox_id,
                                       const std::string& path) {
  v1::DiffSandboxRequest request;
  request.set_sandbox_id(sandbox_id);
  request.set_path(path);
  std::string patch;
  const absl::Status status =
      CallStream(connection, request, [&](v1::DiffSandboxResponse& response) -> absl::Status {
        patch += response.chunk();
        if (response.has_summary()) {
          for (const v1::SkippedFile& file : response.summary().skipped()) {
            absl::StrAppend(&patch, "not in the patch: ",
                            EnumWord(v1::SkipReason_Name(file.reason()), "SKIP_REASON_"), "\n");
          }
        }
        return patch.size() <= kPatchShownMax ? absl::OkStatus() : absl::CancelledError("enough");
      });
  if (patch.size() > kPatchShownMax) {
    return absl::StrCat(absl::string_view(patch).substr(0, kPatchShownMax), "\n... and more\n");
  }
  RETURN_IF_ERROR(status);
  return patch;
}

absl::StatusOr<std::string> ShowPath(Connection& connection,
                                     const v1::CompareSandboxesResponse& response,
                                     const v1::ComparedPath& path) {
  std::map<uint32_t, std::vector<int>> by_version;
  for (int i = 0; i < path.versions_size(); ++i) by_version[path.versions(i)].push_back(i);
  std::vector<PatchColumn> columns;
  for (const auto& [version, sandboxes] : by_version) {
    PatchColumn column;
    column.title = absl::StrCat(version == 0 ? "unchanged in " : "",
                                absl::StrJoin(sandboxes, ", ", [](std::string* out, int i) {
                                  absl::StrAppend(out, i + 1);
                                }));
    if (version != 0) {
      const std::string& id = response.outcomes(sandboxes.front()).sandbox_id();
      ASSIGN_OR_RETURN(column.text, FetchPatch(connection, id, path.path()));
    }
    columns.push_back(std::move(column));
  }
  return absl::StrCat("\n", EscapeForPeople(path.path()), "\n",
                      SideBySide(columns, CurrentWindowSize().columns));
}

int ShowPaths(Connection& connection, const Options& options,
              const v1::CompareSandboxesResponse& response) {
  bool found = false;
  for (const v1::ComparedPath& path : response.paths()) {
    if (!options.all && path.path() != options.side_by_side) continue;
    found = true;
    const absl::StatusOr<std::string> text = ShowPath(connection, response, path);
    if (!text.ok()) return Fail("compare", text.status(), kExitFailure);
    const int unprinted = Print(*text);
    if (unprinted != 0) return unprinted;
  }
  if (found || options.all) return 0;
  return Fail(
      "compare",
      absl::NotFoundError(absl::StrCat("no sandbox changed ", EscapeForPeople(options.side_by_side),
                                       response.paths_cut() ? ", as far as was told" : "")),
      kExitFailure);
}

int Compare(const Invocation& invocation, const Options& options) {
  auto connection = Connection::Open(invocation.socket);
  if (!connection.ok()) return Fail("compare", connection.status(), kExitFailure);
  const auto request = BuildRequest(**connection, options);
  if (!request.ok()) return Fail("compare", request.status(), kExitFailure);
  v1::CompareSandboxesResponse response;
  const absl::Status status = Call(**connection, *request, &response);
  if (!status.ok()) return Fail("compare", status, kExitFailure);
  if (invocation.json) return Print(Pretty(CompareJson(response)));
  std::vector<bool> execs_chosen;
  for (const v1::ComparedSandbox& one : request->sandboxes()) {
    execs_chosen.push_back(one.has_exec_id());
  }
  const int unprinted = Print(CompareTable(response, execs_chosen, ColourWanted(STDOUT_FILENO)));
  if (unprinted != 0 || (!options.all && options.side_by_side.empty())) return unprinted;
  return ShowPaths(**connection, options, response);
}

}  // namespace

void AddCompare(Verb app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  Verb verb = AddVerb(app, invocation, "compare",
                      "Show what sandboxes of one base changed, and where they agree",
                      "  glovebox compare 3f2a 81bc d0e4 --exec test\n"
                      "  glovebox compare 3f2a:test 81bc:test-2 --side-by-side src/main.c",
                      [&invocation, options] { return Compare(invocation, *options); });
  verb.AddOption("ID", options->sandboxes, "Sandboxes, 2 to 1,000; ID:EXEC shows an exec's outcome")
      .Required();
  verb.AddOption("--exec", options->exec, "Exec whose outcome is shown of each").TypeName("E");
  verb.AddOption("--paths", options->paths_max, "Paths to show at most (1000)").TypeName("N");
  verb.AddOption("--side-by-side", options->side_by_side,
                 "Show what became of this path, version beside version")
      .TypeName("PATH");
  verb.AddFlag("--all", options->all, "The same of every path");
}

}  // namespace glovebox

#include "service/scan_sandbox.h"

#include <utility>

#include "base/status.h"
#include "changes/commit_patch.h"
#include "changes/path_scope.h"
#include "changes/renames.h"

namespace glovebox {
namespace {

constexpr char kRepository[] = "workspace";

}  // namespace

absl::StatusOr<ScannedSandbox> ScanSandbox(const Sandbox& sandbox, const ChangeScope& scope,
                                           bool find_renames, const Clock& clock,
                                           const ScanLimits& limits) {
  ScannedSandbox scanned;
  ScanOptions options;
  options.limits = limits;
  ASSIGN_OR_RETURN(scanned.files, sandbox.OpenFiles());
  scanned.layers = scanned.files.View(scope.root);
  ASSIGN_OR_RETURN(ScanResult result, ScanUpper(scanned.layers, options, clock));
  scanned.changes = std::move(result.changes);
  if (!scope.prefix.empty()) KeepChangesOf({scope.prefix}, &scanned.changes);
  if (find_renames) {
    ASSIGN_OR_RETURN(RenameResult renames,
                     FindRenames(scanned.layers, std::move(scanned.changes), {}, clock));
    scanned.changes = std::move(renames.changes);
  }
  return scanned;
}

absl::StatusOr<PatchSummary> WriteSandboxPatch(const ScannedSandbox& scanned,
                                               absl::string_view commit, const PatchLimits& limits,
                                               const Clock& clock, PatchSink sink) {
  // Elsewhere an empty directory is no submodule.
  const bool of_commit = !commit.empty() && scanned.layers.root == kRepository;
  const auto write = of_commit ? &WriteCommitPatch : &WritePatch;
  return write(scanned.layers, scanned.changes, limits, clock, sink);
}

absl::Status NoBase() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "the sandbox has no snapshot to compare with; create it from a repository",
                       {"NO_BASE", {}});
}

}  // namespace glovebox

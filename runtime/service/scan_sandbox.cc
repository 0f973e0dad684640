#include "service/scan_sandbox.h"

#include <utility>

#include "base/status.h"
#include "changes/renames.h"
#include "changes/upper_scan.h"

namespace glovebox {

absl::StatusOr<ScannedSandbox> ScanSandbox(const Sandbox& sandbox, const ChangeScope& scope,
                                           bool find_renames, const Clock& clock) {
  ScannedSandbox scanned;
  ASSIGN_OR_RETURN(scanned.files, sandbox.OpenFiles());
  scanned.layers = scanned.files.View(scope.root);
  ASSIGN_OR_RETURN(ScanResult result, ScanUpper(scanned.layers, ScanOptions{}, clock));
  scanned.changes = std::move(result.changes);
  std::erase_if(scanned.changes, [&](const Change& c) { return !scope.Contains(c.path); });
  if (find_renames) {
    ASSIGN_OR_RETURN(RenameResult renames,
                     FindRenames(scanned.layers, std::move(scanned.changes), {}, clock));
    scanned.changes = std::move(renames.changes);
  }
  return scanned;
}

absl::Status NoBase() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "the sandbox has no snapshot to compare with; create it from a repository",
                       {"NO_BASE", {}});
}

}  // namespace glovebox

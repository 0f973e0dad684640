// What one sandbox changed, for the calls that tell it in one form or another.
#ifndef GLOVEBOX_SERVICE_SCAN_SANDBOX_H_
#define GLOVEBOX_SERVICE_SCAN_SANDBOX_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "changes/change.h"
#include "changes/patch_writer.h"
#include "changes/upper_scan.h"
#include "sandbox/sandbox.h"
#include "service/convert_change.h"

namespace glovebox {

// A patch leaves out larger files, unless it is asked for otherwise.
inline constexpr uint64_t kDiffFileBytesMax = uint64_t{64} << 20;

// The descriptors are open for as long as it lives.
struct ScannedSandbox {
  SandboxFiles files;
  Layers layers;  // of `files`
  std::vector<Change> changes;
};

absl::StatusOr<ScannedSandbox> ScanSandbox(const Sandbox& sandbox, const ChangeScope& scope,
                                           bool find_renames, const Clock& clock,
                                           const ScanLimits& limits = {});

// The patch of `scanned`. `commit`: the base's, "" when it is none.
absl::StatusOr<PatchSummary> WriteSandboxPatch(const ScannedSandbox& scanned,
                                               absl::string_view commit, const PatchLimits& limits,
                                               const Clock& clock, PatchSink sink);

// FAILED_PRECONDITION with reason NO_BASE.
absl::Status NoBase();

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_SCAN_SANDBOX_H_

#include "snapshot/worker_failure.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr uint64_t kNearlyNoBytes = 256 * 1024;
constexpr uint64_t kNearlyNoInodes = 4;

// git says so and then removes what it wrote; tar stops and often says only that it wrote too
// little.
bool DiskIsFull(const WorkerResult& result) {
  if (result.disk != nullptr) {
    const absl::StatusOr<DiskUsage> usage = result.disk->Usage();
    if (usage.ok() && (usage->bytes_limit - usage->bytes_used < kNearlyNoBytes ||
                       usage->inodes_limit - usage->inodes_used < kNearlyNoInodes)) {
      return true;
    }
  }
  return absl::StrContains(result.stderr_tail, "No space left on device") ||
         absl::StrContains(result.stderr_tail, "Disk quota exceeded");
}

}  // namespace

absl::Status LimitFailure(const WorkerResult& result, const ImportLimits& limits,
                          absl::string_view source) {
  std::string why;
  if (result.exit_code < 0) {
    why = EscapeForPeople(result.end, 200);
  } else if (result.exit_code != 0 && DiskIsFull(result)) {
    why = absl::StrCat("does not fit into ", limits.disk_bytes, " bytes and ", limits.disk_inodes,
                       " inodes");
  } else {
    return absl::OkStatus();
  }
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat("import of ", source, ": ", why),
                       {"IMPORT_TOO_LARGE",
                        {{"path", std::string(source)},
                         {"disk_bytes", absl::StrCat(limits.disk_bytes)},
                         {"disk_inodes", absl::StrCat(limits.disk_inodes)},
                         {"memory_bytes", absl::StrCat(limits.memory_bytes)},
                         {"remedy", "raise the daemon's limits for imports"}}});
}

absl::Status HostToolMissing(absl::string_view tool) {
  return DetailedError(
      absl::StatusCode::kFailedPrecondition, absl::StrCat("this host has no ", tool),
      {"HOST_TOOL_MISSING",
       {{"tool", std::string(tool)}, {"remedy", absl::StrCat("apt-get install ", tool)}}});
}

}  // namespace glovebox

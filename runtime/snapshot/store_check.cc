#include "snapshot/store_check.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

// Children of a damaged parent are told about as well: they go first.
std::string RemedyFor(const SnapshotInfo& info, const std::vector<SnapshotInfo>& all) {
  for (const SnapshotInfo& other : all) {
    if (other.parent != info.digest) continue;
    return "delete the snapshots over it and then this one, and import them again";
  }
  return "delete it and import it again";
}

}  // namespace

absl::Status CheckSnapshots(SnapshotStore* store, bool read_content,
                            absl::FunctionRef<absl::Status(const EntryCheck&)> tell) {
  const std::vector<SnapshotInfo> all = store->List();
  for (auto info = all.rbegin(); info != all.rend(); ++info) {
    EntryCheck check{info->digest, "", ""};
    const absl::Status verified = store->VerifyEntry(info->digest, read_content);
    if (absl::IsNotFound(verified)) continue;
    if (!verified.ok()) {
      check.problem = std::string(verified.message());
      check.remedy = RemedyFor(*info, all);
    }
    RETURN_IF_ERROR(tell(check));
  }
  for (const std::string& refused : store->damaged()) {
    const size_t colon = refused.find(": ");
    RETURN_IF_ERROR(tell({refused.substr(0, colon), refused.substr(colon + 2),
                          "it is not served; remove it from the state directory's snapshots/ while "
                          "the daemon is stopped, and import it again"}));
  }
  return absl::OkStatus();
}

}  // namespace glovebox

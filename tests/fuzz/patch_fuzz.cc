// A patch that a client or its agent wrote, on a small tree: whatever it says, what comes of it
// lies in the tree, and no path is below a file or a link, or git's own.
#include <map>

#include "absl/strings/match.h"
#include "patch/patch_plan.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

class SmallTree final : public TreeView {
 public:
  SmallTree() {
    files_["f"].content = "a\nb\nc\nd\ne\n";
    files_["d/g"].content = "one\r\ntwo\r\n";
    files_["empty"];
    files_["l"].kind = PatchedEntry::Kind::kLink;
    files_["l"].content = "f";
  }
  absl::StatusOr<std::optional<PatchedEntry>> Read(const std::string& path) override {
    Demand(CheckPatchPath(path, 1).ok(), "a path that is asked for is one that may be changed");
    const auto it = files_.find(path);
    if (it == files_.end()) return std::optional<PatchedEntry>();
    return std::optional<PatchedEntry>(it->second);
  }

 private:
  std::map<std::string, PatchedEntry> files_;
};

}  // namespace

void FuzzPatch(absl::string_view input) {
  if (input.empty()) return;
  const auto fuzz = static_cast<uint32_t>(input.front() & 3);
  const auto patch = ParsePatch(input.substr(1), PatchSyntax::kEither);
  if (!patch.ok()) return;
  SmallTree tree;
  const auto plan = PlanPatch(*patch, &tree, {fuzz, /*reports_misfits=*/(input.front() & 4) != 0});
  if (!plan.ok()) return;
  std::string last;
  for (const PlannedChange& change : plan->changes) {
    Demand(change.before.has_value() || change.after.has_value(), "a change is one");
    Demand(change.before != change.after, "a change changes something");
    Demand(last < change.path, "each path comes once, in order");
    last = change.path;
    if (!change.after.has_value()) continue;
    for (const PlannedChange& other : plan->changes) {
      Demand(!other.after.has_value() || !absl::StartsWith(change.path, other.path + "/"),
             "nothing is below a file");
    }
  }
  for (const HunkReport& report : plan->hunks) {
    Demand(report.fuzz_lines <= fuzz, "fuzz is within its limit");
  }
}

}  // namespace glovebox

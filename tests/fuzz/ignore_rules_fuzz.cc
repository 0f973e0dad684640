// .gitignore files that a payload or a client wrote, on paths that a payload made.
#include <algorithm>
#include <string>
#include <vector>

#include "base/status.h"
#include "changes/ignore_filter.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzIgnoreRules(absl::string_view bytes) {
  constexpr size_t kPathsMax = 20;
  FuzzInput input(bytes);
  const std::string root_file = input.Text();
  const std::string deep_file = input.Text();
  const std::vector<std::string> client = {input.Text()};
  std::vector<std::string> paths;
  while (!input.empty() && paths.size() < kPathsMax) {
    std::string path = input.Text();
    if (!path.empty() && path[0] != '/') paths.push_back(std::move(path));
  }
  std::sort(paths.begin(), paths.end());
  std::vector<ListedChange> changes;
  for (const std::string& path : paths) {
    ListedChange listed;
    listed.change.path = path;
    listed.change.new_mode = path.size() % 2 == 0 ? kModeFile : kModeDirectory;
    listed.in_base = path.size() % 5 == 0;
    changes.push_back(listed);
  }
  const std::vector<ListedChange> all = changes;
  const auto read = [&](const std::string& directory) -> absl::StatusOr<std::string> {
    return directory.empty() ? root_file : deep_file;
  };
  IgnoreLimits limits;
  limits.steps_max = 1'000'000;
  const absl::Status status = LeaveOutIgnored(client, true, read, limits, &changes);
  if (!status.ok()) {
    const auto detail = GetErrorDetail(status);
    Demand(detail.has_value() && detail->reason == "TOO_MANY_CHANGES", "a limit says which");
    return;
  }
  size_t at = 0;
  for (const ListedChange& kept : changes) {
    while (at < all.size() && all[at].change.path != kept.change.path) ++at;
    Demand(at < all.size(), "what is kept was there, in the same order");
  }
}

}  // namespace glovebox

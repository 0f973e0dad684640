// JSON of comparisons and commits.
#include "tools/glovebox/json_shapes.h"

namespace glovebox {

Json CompareJson(const v1::CompareSandboxesResponse& response) {
  Json outcomes = Json::array();
  for (const v1::SandboxOutcome& outcome : response.outcomes()) {
    Json summary = DiffSummaryJson(outcome.summary());
    summary.erase("skipped");
    outcomes.push_back(
        {{"sandbox_id", outcome.sandbox_id()},
         {"summary", std::move(summary)},
         {"exec_end", outcome.has_exec_end() ? EndJson(outcome.exec_end()) : Json(nullptr)}});
  }
  Json paths = Json::array();
  for (const v1::ComparedPath& path : response.paths()) {
    Json item;
    PutBytes(item, "path", path.path());
    item["versions"] = Json(path.versions());
    paths.push_back(std::move(item));
  }
  return {{"outcomes", std::move(outcomes)},
          {"paths", std::move(paths)},
          {"paths_cut", response.paths_cut()}};
}

Json CommitJson(const v1::CommitChangesResponse& response) {
  return {{"commit", response.commit()}, {"summary", DiffSummaryJson(response.summary())}};
}

}  // namespace glovebox

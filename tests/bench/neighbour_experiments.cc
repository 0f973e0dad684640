// By what factor an honest sandbox's exec slows down while others take all they can get.
#include <fcntl.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "tests/bench/experiments.h"

namespace glovebox::bench {
namespace {

constexpr size_t kScriptBytesMax = size_t{64} << 10;
constexpr uint64_t kMemoryBytes = uint64_t{256} << 20;
constexpr uint64_t kPidsMax = 64;
const char* const kKinds[] = {"processes",   "memory",  "disk",  "inodes",
                              "descriptors", "inotify", "output"};

// Comes back when its limit has refused it something.
absl::Status Attack(const Client& client, const std::string& sandbox, const std::string& script,
                    const std::string& kind) {
  ASSIGN_OR_RETURN(std::string exec, client.Start(sandbox, {"perl", "-e", script, kind}));
  bool bitten = false;
  RETURN_IF_ERROR(client
                      .Attach(
                          sandbox, exec, [] {},
                          [&](const std::string& /*piece*/) {
                            bitten = true;
                            return false;
                          })
                      .status());
  return bitten ? absl::OkStatus() : absl::UnavailableError(absl::StrCat(kind, " ended early"));
}

absl::StatusOr<double> MeasureHonest(Bench* bench, const std::string& honest, const std::string& id,
                                     const std::string& title) {
  const std::string root = bench->workspace.root();
  const std::vector<Case> cases = {
      {kUnitCase, [root] { return TimeCommand({{root + "/bin/true"}}); }},
      {"Glovebox, own root",
       [bench, honest] { return bench->client.Exec(honest, {"/bin/hello"}); }}};
  ASSIGN_OR_RETURN(std::vector<CaseResult> results, RunInterleaved(cases, bench->pace));
  bench->report.AddTable(id, title, results);
  return results[1].metrics["end"].Median();
}

absl::Status MeasureBeside(Bench* bench, const std::string& honest,
                           const std::vector<std::string>& hostile) {
  ASSIGN_OR_RETURN(std::string script,
                   ReadFileAt(AT_FDCWD, GLOVEBOX_HOSTILE_NEIGHBOUR, kScriptBytesMax));
  ASSIGN_OR_RETURN(double alone, MeasureHonest(bench, honest, "honest_alone",
                                               "Exec in an honest sandbox, others idle"));
  for (size_t i = 0; i < hostile.size(); ++i) {
    RETURN_IF_ERROR(Attack(bench->client, hostile[i], script, kKinds[i]));
  }
  ASSIGN_OR_RETURN(
      double beside,
      MeasureHonest(bench, honest, "honest_beside",
                    "Exec in an honest sandbox beside seven hostile ones (fork bomb, memory, disk, "
                    "inodes, descriptors, inotify, output)"));
  bench->report.AddFigure("neighbours_factor",
                          "exec latency beside seven hostile sandboxes, times that without",
                          beside / alone, "×");
  return absl::OkStatus();
}

}  // namespace

absl::Status RunNeighbours(Bench* bench) {
  ASSIGN_OR_RETURN(std::string honest, bench->client.Create({.image = kImage}));
  std::vector<std::string> hostile;
  absl::Status status;
  for (size_t i = 0; i < std::size(kKinds) && status.ok(); ++i) {
    auto sandbox =
        bench->client.Create({.image = "host", .pids_max = kPidsMax, .memory_bytes = kMemoryBytes});
    status = sandbox.status();
    if (sandbox.ok()) hostile.push_back(*sandbox);
  }
  if (status.ok()) status = MeasureBeside(bench, honest, hostile);
  for (const std::string& sandbox : hostile) status.Update(bench->client.Delete(sandbox));
  status.Update(bench->client.Delete(honest));
  return status;
}

}  // namespace glovebox::bench

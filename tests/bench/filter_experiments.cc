// What filters and Landlock cost those who live under them: three system calls, and a build.
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "tests/bench/experiments.h"

namespace glovebox::bench {
namespace {

constexpr char kBare[] = "no filter, no Landlock";
constexpr char kGlovebox[] = "Glovebox: two filters and Landlock";
constexpr int kCallRounds = 10;
constexpr int kBuildRounds = 3;

// Compiles every C file there one by one; bash's own clock, so that no runtime's start counts.
std::vector<std::string> Build(const std::string& folder) {
  return {"bash", "-c",
          absl::StrCat("cd ", folder,
                       " && TIMEFORMAT='%R %U %S' && { time for f in *.c; do "
                       "gcc -w -O1 -pipe -I. -c $f -o /dev/shm/bench.o || exit 1; done; } 2>&1 && "
                       "rm /dev/shm/bench.o")};
}

using Parse = absl::StatusOr<Measurement> (*)(const std::string& output);

absl::StatusOr<std::vector<double>> ThreeNumbers(const std::string& output) {
  const std::vector<std::string> words =
      absl::StrSplit(output, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  std::vector<double> numbers(3);
  for (size_t i = 0; i < 3; ++i) {
    if (words.size() != 3 || !absl::SimpleAtod(words[i], &numbers[i])) {
      return absl::DataLossError(absl::StrCat("want three numbers: ", output));
    }
  }
  return numbers;
}

absl::StatusOr<Measurement> ParseCalls(const std::string& output) {
  ASSIGN_OR_RETURN(std::vector<double> us, ThreeNumbers(output));
  return Measurement{
      {"100,000 getppid", us[0]}, {"100,000 ioctl", us[1]}, {"100,000 open+close", us[2]}};
}

absl::StatusOr<Measurement> ParseBuild(const std::string& output) {
  ASSIGN_OR_RETURN(std::vector<double> seconds, ThreeNumbers(output));
  return Measurement{{"wall", seconds[0] * 1e6}, {"cpu", (seconds[1] + seconds[2]) * 1e6}};
}

Case Of(const std::string& name, const std::function<absl::StatusOr<std::string>()>& run,
        Parse parse) {
  return {name, [run, parse]() -> absl::StatusOr<Measurement> {
            ASSIGN_OR_RETURN(std::string output, run());
            return parse(output);
          }};
}

struct Program {
  std::vector<std::string> bare;      // as a process of the host
  std::vector<std::string> confined;  // with the mounts of Peers::Confined
  std::vector<std::string> inside;    // in the sandbox
  Parse parse;
};

absl::StatusOr<std::vector<Case>> CasesOf(Bench* bench, const std::string& sandbox,
                                          const std::string& source, const Program& program) {
  std::vector<Case> cases = {
      Of(
          kBare, [command = Command{program.bare}] { return OutputOf(command); }, program.parse),
      Of(
          kGlovebox,
          [bench, sandbox, arguments = program.inside] {
            return bench->client.Output(sandbox, arguments);
          },
          program.parse)};
  ASSIGN_OR_RETURN(auto confined, bench->peers.Confined(source, program.confined));
  for (const auto& [name, command] : confined) {
    cases.push_back(Of(
        name, [bench, command = command] { return bench->peers.OutputOfConfined(command); },
        program.parse));
  }
  return cases;
}

absl::Status MeasureIn(Bench* bench, const CreateOptions& options, const std::string& source,
                       const Program& program, int rounds, const std::string& id,
                       const std::string& title) {
  ASSIGN_OR_RETURN(std::string sandbox, bench->client.Create(options));
  absl::StatusOr<std::vector<Case>> cases = CasesOf(bench, sandbox, source, program);
  absl::StatusOr<std::vector<CaseResult>> results =
      cases.ok() ? RunInterleaved(*cases, {.rounds = rounds, .warm_up_rounds = 1, .gap_ms = 0})
                 : absl::StatusOr<std::vector<CaseResult>>(cases.status());
  RETURN_IF_ERROR(bench->client.Delete(sandbox));
  RETURN_IF_ERROR(results.status());
  bench->report.AddTable(id, title, *results, kBare);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunFilters(Bench* bench) {
  const std::string programs = bench->workspace.root() + "/bin";
  RETURN_IF_ERROR(MeasureIn(bench, {.image = kImage}, programs,
                            {{programs + "/calls"}, {"/mnt/calls"}, {"/bin/calls"}, ParseCalls},
                            kCallRounds, "calls",
                            "System calls under filters and Landlock (CPU time)"));
  if (bench->repository.empty()) {
    bench->report.AddNote("no repository was given: a build under filters was not measured");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string head,
                   OutputOf({{"git", "-C", bench->repository, "rev-parse", "HEAD"}}));
  const CreateOptions at_head{
      .image = "host", .repository = bench->repository, .commit = head.substr(0, head.find('\n'))};
  return MeasureIn(
      bench, at_head, bench->repository,
      {Build(bench->repository), Build("/src"), Build("/workspace"), ParseBuild}, kBuildRounds,
      "build", "gcc -O1 of every C file at the top of the repository, under filters and Landlock");
}

}  // namespace glovebox::bench

#include <fcntl.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "tests/bench/experiments.h"

namespace glovebox::bench {
namespace {

constexpr char kGlovebox[] = "Glovebox, own root";
constexpr char kGloveboxHost[] = "Glovebox, host image, dynamic program";
constexpr char kFloor[] = "kernel floor: seven namespaces";

Case Spawn(const Bench& bench, const std::string& name, const std::string& program) {
  return {name, [path = absl::StrCat(bench.workspace.root(), "/bin/", program)] {
            return TimeCommand({{path}});
          }};
}

void Append(std::vector<Case>* cases, std::vector<Case> more) {
  for (Case& one : more) cases->push_back(std::move(one));
}

absl::Status Measure(Bench* bench, const std::string& id, const std::string& title,
                     const std::vector<Case>& cases) {
  ASSIGN_OR_RETURN(std::vector<CaseResult> results, RunInterleaved(cases, bench->pace));
  bench->report.AddTable(id, title, results);
  return absl::OkStatus();
}

// Everything is gone also when the command fails.
absl::StatusOr<Measurement> TimeSandbox(const Client& client, const CreateOptions& options,
                                        const std::string& program) {
  Measurement times;
  double start = NowUs();
  ASSIGN_OR_RETURN(std::string sandbox, client.Create(options));
  times["created"] = NowUs() - start;
  absl::StatusOr<Measurement> exec = client.Exec(sandbox, {program});
  RETURN_IF_ERROR(client.Delete(sandbox));
  RETURN_IF_ERROR(Daemon::AwaitGone(sandbox));
  times["end"] = NowUs() - start;
  RETURN_IF_ERROR(exec.status());
  if (exec->count("first_byte") > 0) {
    times["first_byte"] = times["created"] + (*exec)["first_byte"];
  }
  return times;
}

absl::StatusOr<Measurement> TimeDelete(const Client& client) {
  ASSIGN_OR_RETURN(std::string sandbox, client.Create({.image = kImage}));
  Measurement times;
  double start = NowUs();
  RETURN_IF_ERROR(client.Delete(sandbox));
  times["answered"] = NowUs() - start;
  RETURN_IF_ERROR(Daemon::AwaitGone(sandbox));
  times["gone"] = NowUs() - start;
  return times;
}

absl::StatusOr<Measurement> TimeGet(const Client& client, const std::string& sandbox) {
  double start = NowUs();
  RETURN_IF_ERROR(client.Get(sandbox));
  return Measurement{{"end", NowUs() - start}};
}

}  // namespace

absl::Status RunCreate(Bench* bench) {
  std::vector<Case> cases = {
      Spawn(*bench, kUnitCase, "true"),
      Spawn(*bench, "vfork+exec of a static hello", "hello"),
      {kFloor, [bench] { return bench->floor.Create(); }},
      {kGlovebox, [bench] { return TimeSandbox(bench->client, {.image = kImage}, "/bin/hello"); }},
      {kGloveboxHost,
       [bench] { return TimeSandbox(bench->client, {.image = "host"}, "/usr/bin/pwd"); }}};
  Append(&cases, bench->peers.CreateCases());
  return Measure(bench, "create", "Create, first output byte, end", cases);
}

absl::Status RunExec(Bench* bench) {
  ASSIGN_OR_RETURN(std::string sandbox, bench->client.Create({.image = kImage}));
  std::vector<Case> cases = {
      Spawn(*bench, kUnitCase, "true"),
      Spawn(*bench, "vfork+exec of a static hello", "hello"),
      Spawn(*bench, "vfork+exec of hello without a C library", "hello_bare"),
      {"gRPC echo, bare server", [bench] { return TimeGet(bench->bare, "id"); }},
      {"GetSandbox", [bench, sandbox] { return TimeGet(bench->client, sandbox); }},
      {kGlovebox, [bench, sandbox] { return bench->client.Exec(sandbox, {"/bin/hello"}); }},
      {"Glovebox, own root, hello without a C library",
       [bench, sandbox] { return bench->client.Exec(sandbox, {"/bin/hello_bare"}); }}};
  absl::StatusOr<std::vector<Case>> peers = bench->peers.ExecCases("/bin/hello");
  if (peers.ok()) Append(&cases, *std::move(peers));
  absl::Status measured =
      peers.ok() ? Measure(bench, "exec", "Exec into a running sandbox", cases) : peers.status();
  RETURN_IF_ERROR(bench->client.Delete(sandbox));
  return measured;
}

absl::Status RunExecTrue(Bench* bench) {
  ASSIGN_OR_RETURN(std::string sandbox, bench->client.Create({.image = kImage}));
  std::vector<Case> cases = {
      Spawn(*bench, kUnitCase, "true"),
      {kGlovebox, [bench, sandbox] { return bench->client.Exec(sandbox, {"/bin/true"}); }}};
  absl::StatusOr<std::vector<Case>> peers = bench->peers.ExecCases("/bin/true");
  if (peers.ok()) Append(&cases, *std::move(peers));
  absl::Status measured =
      peers.ok() ? Measure(bench, "exec_true", "Exec of a static true", cases) : peers.status();
  RETURN_IF_ERROR(bench->client.Delete(sandbox));
  return measured;
}

absl::Status RunEnd(Bench* bench) {
  std::vector<Case> cases = {Spawn(*bench, kUnitCase, "true"),
                             {kFloor, [bench] { return bench->floor.End(); }},
                             {kGlovebox, [bench] { return TimeDelete(bench->client); }}};
  Append(&cases, bench->peers.EndCases());
  return Measure(bench, "end", "End of a waiting sandbox", cases);
}

absl::Status RunRepository(Bench* bench) {
  if (bench->repository.empty()) {
    bench->report.AddNote("no repository was given: hydration was not measured");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string head,
                   OutputOf({{"git", "-C", bench->repository, "rev-parse", "HEAD"}}));
  const CreateOptions at_head{
      .image = "host", .repository = bench->repository, .commit = head.substr(0, head.find('\n'))};
  double start = NowUs();
  ASSIGN_OR_RETURN(std::string first, bench->client.Create(at_head));
  bench->report.AddFigure("import_ms", "first sandbox at a commit (imports the repository)",
                          (NowUs() - start) / 1000, "ms");
  RETURN_IF_ERROR(bench->client.Delete(first));
  const std::string clone = bench->workspace.path() + "/clone";
  auto copy = [clone](const std::vector<std::string>& arguments) -> absl::StatusOr<Measurement> {
    absl::StatusOr<Measurement> times = TimeCommand({arguments});
    RETURN_IF_ERROR(RemoveTreeAt(AT_FDCWD, clone));
    return times;
  };
  std::vector<Case> cases = {
      Spawn(*bench, kUnitCase, "true"),
      {"git clone --local",
       [=] {
         return copy({"git", "clone", "-q", "--local", bench->repository, clone});
       }},
      {"cp -a",
       [=] {
         return copy({"cp", "-a", bench->repository, clone});
       }},
      {"Glovebox at a cached commit",
       [=] { return TimeSandbox(bench->client, at_head, "/usr/bin/pwd"); }}};
  return Measure(bench, "repository", "A work tree at a commit that is there already", cases);
}

}  // namespace glovebox::bench

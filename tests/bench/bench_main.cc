// bench_main: measures Glovebox beside other runtimes and the kernel's floor. See --help.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "tests/bench/experiments.h"

namespace glovebox::bench {
namespace {

constexpr int kStartTimeoutMs = 30000;
constexpr size_t kDocumentBytesMax = size_t{16} << 20;

struct Options {
  Pace pace;
  bool back_to_back = false;
  std::string daemon;
  std::string json_file;
  std::string render_file;
  std::string repository;
  std::vector<std::string> only;
  int creates = 200;
  int idle_sandboxes = 200;
  uint64_t stream_mib = 256;
};

struct Experiment {
  const char* name;
  absl::Status (*run)(Bench*);
};
// Memory first, while the daemon has not yet been under load.
constexpr Experiment kExperiments[] = {{"memory", RunMemory},      {"idle-execs", RunIdleExecs},
                                       {"create", RunCreate},      {"exec", RunExec},
                                       {"exec-true", RunExecTrue}, {"end", RunEnd},
                                       {"tree", RunTreeKill},      {"repository", RunRepository},
                                       {"filters", RunFilters},    {"neighbours", RunNeighbours},
                                       {"rate", RunRate},          {"stream", RunStream},
                                       {"readers", RunReaders}};

int ParseOptions(int argc, char** argv, Options* options) {
  CLI::App app("Measures Glovebox beside bubblewrap, crun, runc and the kernel's floor.");
  app.add_option("--rounds", options->pace.rounds, "samples of each case")
      ->check(CLI::Range(1, 10000));
  app.add_option("--gap-ms", options->pace.gap_ms, "idle time before each sample")
      ->check(CLI::Range(0, 10000));
  app.add_flag("--back-to-back", options->back_to_back, "no idle time");
  app.add_option("--daemon", options->daemon,
                 "gloveboxd to measure (default: ../bin/gloveboxd beside this program)");
  app.add_option("--json", options->json_file, "also write all numbers to this file");
  app.add_option("--render", options->render_file,
                 "measure nothing; print the document of this JSON file");
  app.add_option("--repository", options->repository,
                 "git repository for the experiment \"repository\"");
  app.add_option("--only", options->only,
                 "experiments, by name: memory, idle-execs, create, exec, exec-true, end, tree, "
                 "repository, filters, neighbours, rate, stream, readers")
      ->delimiter(',');
  app.add_option("--creates", options->creates, "sandboxes in \"rate\"")
      ->check(CLI::Range(1, 5000));
  app.add_option("--sandboxes", options->idle_sandboxes, "sandboxes in \"memory\"")
      ->check(CLI::Range(1, 1000));
  app.add_option("--stream-mib", options->stream_mib, "each output in \"stream\", of ten pairs")
      ->check(CLI::Range(1, 65536));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? -1 : 2;
  }
  if (options->back_to_back) options->pace.gap_ms = 0;
  if (options->daemon.empty()) options->daemon = ProgramFolder() + "/../bin/gloveboxd";
  return 0;
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return WriteAll(fd.get(), text);
}

absl::Status Render(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFileAt(AT_FDCWD, path, kDocumentBytesMax));
  nlohmann::json document = nlohmann::json::parse(text, nullptr, false);
  if (document.is_discarded()) return absl::InvalidArgumentError(path + " is not JSON");
  (void)fputs(FormatDocument(document).c_str(), stdout);
  return absl::OkStatus();
}

// An experiment that fails is a note in the report, and the others go on.
absl::Status RunExperiments(const Options& options, Bench* bench) {
  const std::set<std::string> only(options.only.begin(), options.only.end());
  for (const Experiment& experiment : kExperiments) {
    if (!only.empty() && only.count(experiment.name) == 0) continue;
    (void)fprintf(stderr, "bench: %s\n", experiment.name);
    absl::Status status = experiment.run(bench);
    if (Interrupted()) return absl::CancelledError("interrupted; everything was removed");
    if (!status.ok()) {
      bench->report.AddNote(
          absl::StrCat(experiment.name, " could not be measured: ", status.message()));
    }
  }
  return absl::OkStatus();
}

// Order matters: what must see the host's cgroups starts first; the mount namespace is changed
// before gRPC starts threads; and everything is ended in the opposite order.
absl::Status Measure(const Options& options) {
  Report report(options.pace);  // describes the machine as it is before cgroups are hidden
  ASSIGN_OR_RETURN(Workspace workspace, Workspace::Make());
  ASSIGN_OR_RETURN(Daemon daemon, Daemon::Start(options.daemon, workspace));
  const std::string bare_socket = workspace.path() + "/bare.sock";
  ASSIGN_OR_RETURN(Companion bare_server,
                   Companion::Start({{ProgramFolder() + "/bench_bare_server", bare_socket}}, 1000));
  ASSIGN_OR_RETURN(FloorClient floor,
                   FloorClient::Start(ProgramFolder() + "/bench_floor", workspace.root()));
  RETURN_IF_ERROR(HideHybridCgroups());
  ASSIGN_OR_RETURN(Peers peers, Peers::Prepare(workspace));
  absl::StatusOr<Client> client = Client::Connect(daemon.socket(), kStartTimeoutMs);
  if (!client.ok()) {
    auto log = ReadFileAt(AT_FDCWD, workspace.path() + "/daemon.log", kDocumentBytesMax);
    return Annotate(client.status(), absl::StrCat("gloveboxd: ", log.ok() ? *log : ""));
  }
  ASSIGN_OR_RETURN(Client bare, Client::Connect(bare_socket, kStartTimeoutMs));
  const std::string archive = workspace.path() + "/root.tar";
  RETURN_IF_ERROR(
      OutputOf({{"tar", "--owner=0", "--group=0", "-C", workspace.root(), "-cf", archive, "."}})
          .status());
  RETURN_IF_ERROR(client->ImportImage(kImage, archive));

  report.SetPeers(peers.versions());
  Bench bench{.workspace = workspace,
              .daemon = daemon,
              .client = *client,
              .bare = bare,
              .floor = floor,
              .peers = peers,
              .report = report,
              .pace = options.pace,
              .creates = options.creates,
              .idle_sandboxes = options.idle_sandboxes,
              .stream_bytes = options.stream_mib << 20,
              .repository = options.repository};
  RETURN_IF_ERROR(RunExperiments(options, &bench));
  nlohmann::json document = report.Finish();
  (void)fputs(FormatTables(document).c_str(), stdout);
  if (options.json_file.empty()) return absl::OkStatus();
  return WriteFile(options.json_file, document.dump(1) + "\n");
}

int Main(int argc, char** argv) {
  Options options;
  int parsed = ParseOptions(argc, argv, &options);
  if (parsed != 0) return parsed < 0 ? 0 : parsed;
  CatchInterrupts();
  absl::Status status =
      options.render_file.empty() ? Measure(options) : Render(options.render_file);
  if (status.ok()) return 0;
  (void)fprintf(stderr, "bench: %s\n", std::string(status.message()).c_str());
  return absl::IsCancelled(status) ? 130 : 1;
}

}  // namespace
}  // namespace glovebox::bench

int main(int argc, char** argv) { return glovebox::bench::Main(argc, argv); }

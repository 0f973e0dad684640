// Execs in number: readers of one, idle ones, a tree of 10,000 processes.
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "base/status.h"
#include "tests/bench/experiments.h"

namespace glovebox::bench {
namespace {

constexpr int kReaders = 100;
constexpr int kReaderRounds = 3;
constexpr uint64_t kReadBytes = uint64_t{256} << 20;
constexpr uint64_t kKeptBytes = uint64_t{1} << 20;  // what the default policy keeps for all
constexpr int kIdleSandboxes = 4;
constexpr int kIdleExecsEach = 250;
constexpr uint64_t kTreeProcesses = 10'100;
constexpr uint64_t kTreeMemoryBytes = uint64_t{8} << 30;
constexpr int kTreeRounds = 5;

struct Reading {
  double command_s = 0;  // from its release to its end
  double all_s = 0;      // until the last reader has its end
  Samples bytes;         // of each reader
  Samples mb_s;
};

// `bytes` of output with `count` readers, all of which are there when it starts.
absl::StatusOr<Reading> Read(const Bench& bench, const std::string& sandbox, int count,
                             uint64_t bytes) {
  const std::string script = absl::StrCat("echo; read go; exec head -c ", bytes, " /dev/zero");
  ASSIGN_OR_RETURN(std::string exec,
                   bench.client.Start(sandbox, {"sh", "-c", script}, /*waits=*/true));
  absl::BlockingCounter attached(count);
  std::mutex mutex;
  Reading reading;
  absl::Status failed;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      bool counted = false;
      auto count_once = [&] {
        if (!std::exchange(counted, true)) attached.DecrementCount();
      };
      auto client = Client::Connect(bench.daemon.socket(), 30000);
      absl::StatusOr<StreamResult> result =
          client.ok() ? client->Attach(sandbox, exec, count_once,
                                       [](const std::string& /*piece*/) { return true; })
                      : client.status();
      count_once();
      std::lock_guard<std::mutex> lock(mutex);
      if (!result.ok()) {
        failed = result.status();
      } else {
        reading.bytes.Add(static_cast<double>(result->bytes));
        if (result->seconds > 0) {
          reading.mb_s.Add(static_cast<double>(result->bytes) / result->seconds / 1e6);
        }
      }
    });
  }
  attached.Wait();
  const double start = NowUs();
  absl::Status status = bench.client.Release(sandbox, exec);
  if (status.ok()) status = bench.client.Wait(sandbox, exec);
  reading.command_s = (NowUs() - start) / 1e6;
  if (!status.ok()) (void)bench.client.KillTree(sandbox, exec);  // the readers end with it
  for (std::thread& thread : threads) thread.join();
  reading.all_s = (NowUs() - start) / 1e6;
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(failed);
  return reading;
}

absl::Status ReadAll(Bench* bench, const std::string& sandbox) {
  Samples alone_s, one_s, many_s, many_mb_s, least_mb_s, kept_ms, complete;
  for (int i = 0; i < kReaderRounds && !Interrupted(); ++i) {
    ASSIGN_OR_RETURN(Reading alone, Read(*bench, sandbox, 0, kReadBytes));
    ASSIGN_OR_RETURN(Reading one, Read(*bench, sandbox, 1, kReadBytes));
    ASSIGN_OR_RETURN(Reading many, Read(*bench, sandbox, kReaders, kReadBytes));
    ASSIGN_OR_RETURN(Reading kept, Read(*bench, sandbox, kReaders, kKeptBytes - 4096));
    alone_s.Add(alone.command_s);
    one_s.Add(one.command_s);
    many_s.Add(many.command_s);
    many_mb_s.Add(many.mb_s.Median());
    least_mb_s.Add(many.mb_s.Percentile(0));
    kept_ms.Add(kept.all_s * 1000);
    complete.Add(kept.bytes.Percentile(0) / static_cast<double>(kKeptBytes - 4096));
  }
  Report& report = bench->report;
  report.AddFigure("readers_0_s", "`head -c 256M`, nobody reads", alone_s.Median() * 1000, "ms");
  report.AddFigure("readers_1_s", "the same, one AttachExec reads", one_s.Median() * 1000, "ms");
  report.AddFigure("readers_100_s", "the same, 100 read, each on a connection of its own",
                   many_s.Median() * 1000, "ms");
  report.AddFigure("readers_each_mb_s", "what each of the 100 got of it, median",
                   many_mb_s.Median(), "MB/s");
  report.AddFigure("readers_least_mb_s", "the same, the slowest", least_mb_s.Median(), "MB/s");
  report.AddFigure("readers_kept_ms", "1 MiB to 100 readers, until the last has its end",
                   kept_ms.Median(), "ms");
  report.AddFigure("readers_kept_part", "part of it that the worst reader got", complete.Median(),
                   "");
  return absl::OkStatus();
}

absl::Status StartIdle(const Client& client, const std::string& sandbox) {
  std::mutex mutex;
  absl::Status failed;
  RunParallel(kIdleExecsEach, 8, [&](int /*index*/) {
    auto exec = client.Start(sandbox, {"/bin/pause_bare"});
    std::lock_guard<std::mutex> lock(mutex);
    if (!exec.ok()) failed = exec.status();
  });
  return failed;
}

absl::StatusOr<Measurement> KillTreeOnce(const Client& client, const std::string& sandbox) {
  ASSIGN_OR_RETURN(std::string exec, client.Start(sandbox, {"/bin/tree_bare"}));
  // Its one byte says that the tree is complete.
  RETURN_IF_ERROR(client
                      .Attach(
                          sandbox, exec, [] {}, [](const std::string& /*piece*/) { return false; })
                      .status());
  const double start = NowUs();
  RETURN_IF_ERROR(client.KillTree(sandbox, exec));
  RETURN_IF_ERROR(client.Wait(sandbox, exec));
  return Measurement{{"end", NowUs() - start}};
}

}  // namespace

absl::Status RunReaders(Bench* bench) {
  ASSIGN_OR_RETURN(std::string sandbox, bench->client.Create({.image = "host"}));
  absl::Status status = ReadAll(bench, sandbox);
  RETURN_IF_ERROR(bench->client.Delete(sandbox));
  return status;
}

absl::Status RunIdleExecs(Bench* bench) {
  std::vector<std::string> sandboxes;
  absl::Status status;
  for (int i = 0; i < kIdleSandboxes && status.ok(); ++i) {
    auto sandbox = bench->client.Create({.image = kImage});
    status = sandbox.status();
    if (sandbox.ok()) sandboxes.push_back(*sandbox);
  }
  const double before = UseOf(bench->daemon.pid()).rss_kib;
  for (const std::string& sandbox : sandboxes) {
    if (status.ok()) status = StartIdle(bench->client, sandbox);
  }
  const double grown = UseOf(bench->daemon.pid()).rss_kib - before;
  for (const std::string& sandbox : sandboxes) {
    status.Update(bench->client.Delete(sandbox));
  }
  RETURN_IF_ERROR(status);
  bench->report.AddFigure("idle_execs_kib", "gloveboxd RSS for 1,000 idle execs", grown, "KiB");
  return absl::OkStatus();
}

absl::Status RunTreeKill(Bench* bench) {
  ASSIGN_OR_RETURN(std::string sandbox, bench->client.Create({.image = kImage,
                                                              .pids_max = kTreeProcesses,
                                                              .memory_bytes = kTreeMemoryBytes}));
  const std::string floor = "kernel floor: cgroup.kill until all are reaped";
  std::vector<Case> cases = {{floor, [bench] { return bench->floor.KillTree(); }},
                             {"Glovebox: SignalExec to WaitExec",
                              [bench, sandbox] { return KillTreeOnce(bench->client, sandbox); }}};
  const Pace pace{.rounds = kTreeRounds, .warm_up_rounds = 1, .gap_ms = bench->pace.gap_ms};
  absl::StatusOr<std::vector<CaseResult>> results = RunInterleaved(cases, pace);
  RETURN_IF_ERROR(bench->client.Delete(sandbox));
  RETURN_IF_ERROR(results.status());
  bench->report.AddTable("tree", "Kill of a tree of 10,000 processes", *results, floor);
  return absl::OkStatus();
}

}  // namespace glovebox::bench

#include <fcntl.h>
#include <unistd.h>

#include <mutex>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"
#include "tests/bench/experiments.h"

namespace glovebox::bench {
namespace {

// What the kernel calls a process that was executed from the memfd "glovebox-init".
constexpr char kInitName[] = "memfd:glovebox-init";
constexpr int kWidth = 16;
constexpr int kPeerCreates = 48;
constexpr int kStreamPairs = 9;  // ours and bare in turn; after one pair to warm up

// What several threads found.
class Tally {
 public:
  void Add(const absl::StatusOr<double>& us) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (us.ok()) {
      samples_.Add(*us);
    } else if (failures_++ == 0) {
      first_failure_ = std::string(us.status().message());
    }
  }
  // When all threads have ended.
  const Samples& samples() const { return samples_; }
  void Note(const std::string& what, Report* report) const {
    if (failures_ == 0) return;
    report->AddNote(absl::StrCat(what, ": ", failures_, " failed, first with: ", first_failure_));
  }

 private:
  std::mutex mutex_;
  Samples samples_;
  int failures_ = 0;
  std::string first_failure_;
};

// Sandboxes that are deleted, all at the end, whatever happens before.
class Sandboxes {
 public:
  Sandboxes(const Client& client, size_t count) : client_(client), ids_(count) {}
  Sandboxes(const Sandboxes&) = delete;
  Sandboxes& operator=(const Sandboxes&) = delete;
  ~Sandboxes() {
    for (const std::string& id : ids_) {
      if (!id.empty()) (void)client_.Delete(id);  // the daemon's end removes the rest
    }
  }

  // One thread per index.
  absl::StatusOr<double> Make(size_t index, bool run) {
    double start = NowUs();
    ASSIGN_OR_RETURN(ids_[index], client_.Create({.image = kImage}));
    if (run) RETURN_IF_ERROR(client_.Exec(ids_[index], {"/bin/hello"}).status());
    return NowUs() - start;
  }
  absl::StatusOr<double> Delete(size_t index) {
    if (ids_[index].empty()) return absl::NotFoundError("was not made");
    double start = NowUs();
    RETURN_IF_ERROR(client_.Delete(ids_[index]));
    ids_[index].clear();
    return NowUs() - start;
  }

 private:
  const Client& client_;
  std::vector<std::string> ids_;
};

double Kib(absl::string_view key) {
  auto text = ReadFileAt(AT_FDCWD, "/proc/meminfo", 65536);
  for (absl::string_view line : absl::StrSplit(text.ok() ? *text : "", '\n')) {
    std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    double value = 0;
    if (words.size() > 1 && words[0] == key && absl::SimpleAtod(words[1], &value)) return value;
  }
  return 0;
}

// What the kernel holds for itself; unlike MemAvailable, page cache does not blur it.
double KernelKib() {
  return Kib("Slab:") + Kib("PageTables:") + Kib("KernelStack:") + Kib("Percpu:");
}

void RunPeerRate(Bench* bench, const std::string& name) {
  Tally tally;
  double start = NowUs();
  RunParallel(Peers::kSlots, Peers::kSlots, [&](int slot) {
    for (int i = 0; i < kPeerCreates / Peers::kSlots && !Interrupted(); ++i) {
      absl::StatusOr<Measurement> times = bench->peers.TimeCreate(name, slot);
      tally.Add(times.ok() ? absl::StatusOr<double>((*times)["end"]) : times.status());
    }
  });
  double seconds = (NowUs() - start) / 1e6;
  tally.Note(name + " under load", &bench->report);
  bench->report.AddFigure(absl::StrCat("rate_", name),
                          absl::StrCat(name, ": create, hello, end, 16 at a time"),
                          static_cast<double>(tally.samples().size()) / seconds, "/s");
}

struct StreamRates {
  Samples ours;
  Samples bare;
  Samples ratio;  // of the two of a pair: what slows the machine for seconds slows both
  Samples pipe;
  Samples cpu_s_per_gib;
};

double MbPerSecond(const StreamResult& result) {
  return static_cast<double>(result.bytes) / result.seconds / 1e6;
}

absl::StatusOr<double> StreamOurs(Bench* bench, const std::string& sandbox, StreamRates* rates) {
  const std::string bytes = absl::StrCat(bench->stream_bytes);
  const std::vector<pid_t> inits = bench->daemon.Descendants(kInitName);
  auto cpu = [&] {
    double sum = UseOf(bench->daemon.pid()).cpu_s;
    for (pid_t pid : inits) sum += UseOf(pid).cpu_s;
    return sum;
  };
  double before = cpu();
  ASSIGN_OR_RETURN(StreamResult ours,
                   bench->client.Stream(sandbox, {"/usr/bin/head", "-c", bytes, "/dev/zero"}));
  if (ours.bytes != bench->stream_bytes) {
    return absl::DataLossError(absl::StrCat(ours.bytes, " of ", bytes, " bytes came"));
  }
  double gib = static_cast<double>(ours.bytes) / static_cast<double>(uint64_t{1} << 30);
  rates->cpu_s_per_gib.Add((cpu() - before) / gib);
  return MbPerSecond(ours);
}

absl::StatusOr<double> StreamBare(Bench* bench) {
  ASSIGN_OR_RETURN(StreamResult bare,
                   bench->bare.Stream("id", {"262144", absl::StrCat(bench->stream_bytes)}));
  return MbPerSecond(bare);
}

// Ours first in every other pair: who comes second finds the CPU awake.
absl::Status StreamPair(Bench* bench, const std::string& sandbox, bool ours_first,
                        StreamRates* rates) {
  double ours = 0;
  double bare = 0;
  if (!ours_first) {
    ASSIGN_OR_RETURN(bare, StreamBare(bench));
  }
  ASSIGN_OR_RETURN(ours, StreamOurs(bench, sandbox, rates));
  if (ours_first) {
    ASSIGN_OR_RETURN(bare, StreamBare(bench));
  }
  const std::string bytes = absl::StrCat(bench->stream_bytes);
  ASSIGN_OR_RETURN(double pipe_s, TimePipe({{"/usr/bin/head", "-c", bytes, "/dev/zero"}}));
  rates->ours.Add(ours);
  rates->bare.Add(bare);
  rates->ratio.Add(ours / bare);
  rates->pipe.Add(static_cast<double>(bench->stream_bytes) / pipe_s / 1e6);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunRate(Bench* bench) {
  Sandboxes sandboxes(bench->client, static_cast<size_t>(bench->creates));
  Tally made;
  double start = NowUs();
  RunParallel(bench->creates, kWidth,
              [&](int i) { made.Add(sandboxes.Make(static_cast<size_t>(i), true)); });
  double seconds = (NowUs() - start) / 1e6;
  made.Note("creates under load", &bench->report);
  if (Interrupted()) return absl::CancelledError("interrupted");
  Report& report = bench->report;
  report.AddFigure("creates_per_second", "Glovebox: create and hello, 16 at a time, all kept",
                   static_cast<double>(made.samples().size()) / seconds, "/s");
  report.AddFigure("create_loaded_p50_ms", "Glovebox: create and hello under that load, p50",
                   made.samples().Median() / 1000, "ms");
  report.AddFigure("create_loaded_p99_ms", "Glovebox: create and hello under that load, p99",
                   made.samples().Percentile(0.99) / 1000, "ms");
  Tally deleted;
  start = NowUs();
  RunParallel(bench->creates, kWidth,
              [&](int i) { deleted.Add(sandboxes.Delete(static_cast<size_t>(i))); });
  deleted.Note("deletes under load", &report);
  report.AddFigure("deletes_per_second", "Glovebox: DeleteSandbox answered, 16 at a time",
                   static_cast<double>(deleted.samples().size()) / ((NowUs() - start) / 1e6), "/s");
  for (const std::string& name : bench->peers.Creators()) RunPeerRate(bench, name);
  return Interrupted() ? absl::CancelledError("interrupted") : absl::OkStatus();
}

absl::Status RunStream(Bench* bench) {
  // coreutils' head, of the host's image: busybox's own reads and writes 4 KiB at a time.
  ASSIGN_OR_RETURN(std::string sandbox, bench->client.Create({.image = "host"}));
  StreamRates rates;
  StreamRates warm_up;
  absl::Status status = StreamPair(bench, sandbox, true, &warm_up);
  for (int i = 0; i < kStreamPairs && status.ok() && !Interrupted(); ++i) {
    status = StreamPair(bench, sandbox, i % 2 == 0, &rates);
  }
  RETURN_IF_ERROR(bench->client.Delete(sandbox));
  RETURN_IF_ERROR(status);
  Report& report = bench->report;
  report.AddFigure("stream_mb_s", "output of `head -c`, RunExec, lossless", rates.ours, "MB/s");
  report.AddFigure("stream_bare_mb_s", "the same messages in 256 KiB chunks, bare gRPC server",
                   rates.bare, "MB/s");
  report.AddFigure("stream_ratio", "the first beside the second, pair by pair", rates.ratio, "×");
  report.AddFigure("stream_pipe_mb_s", "the same command into a pipe", rates.pipe, "MB/s");
  report.AddFigure("stream_cpu_s", "CPU of gloveboxd and glovebox-init for it", rates.cpu_s_per_gib,
                   "s/GiB");
  return absl::OkStatus();
}

absl::Status RunMemory(Bench* bench) {
  const auto count = static_cast<double>(bench->idle_sandboxes);
  Sandboxes sandboxes(bench->client, static_cast<size_t>(bench->idle_sandboxes));
  Tally made;
  const double idle_rss = UseOf(bench->daemon.pid()).rss_kib;
  sync();  // dirty pages that are written meanwhile would count as freed
  const double available = Kib("MemAvailable:");
  const double kernel = KernelKib();
  RunParallel(bench->idle_sandboxes, kWidth,
              [&](int i) { made.Add(sandboxes.Make(static_cast<size_t>(i), false)); });
  made.Note("creates for the memory figures", &bench->report);
  if (Interrupted()) return absl::CancelledError("interrupted");
  sync();
  Report& report = bench->report;
  const std::string among = absl::StrCat(" per idle sandbox, ", bench->idle_sandboxes, " of them");
  report.AddFigure("memory_host_kib", "kernel memory" + among, (KernelKib() - kernel) / count,
                   "KiB");
  report.AddFigure("memory_available_kib", "MemAvailable, fall of, others' use included," + among,
                   (available - Kib("MemAvailable:")) / count, "KiB");
  report.AddFigure("daemon_rss_kib", "gloveboxd RSS with them", UseOf(bench->daemon.pid()).rss_kib,
                   "KiB");
  report.AddFigure("daemon_idle_rss_kib", "gloveboxd RSS before them", idle_rss, "KiB");
  report.AddFigure("memory_daemon_kib", "gloveboxd RSS" + among,
                   (UseOf(bench->daemon.pid()).rss_kib - idle_rss) / count, "KiB");
  Samples pss;
  for (pid_t pid : bench->daemon.Descendants(kInitName)) pss.Add(UseOf(pid).pss_kib);
  if (pss.size() > 0) {
    report.AddFigure("memory_init_pss_kib", "glovebox-init PSS, median", pss.Median(), "KiB");
  }
  return absl::OkStatus();
}

}  // namespace glovebox::bench

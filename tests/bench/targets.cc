#include "tests/bench/targets.h"

#include <cstdio>
#include <string>
#include <utility>

#include "tests/bench/report.h"

namespace glovebox::bench {
namespace {

using nlohmann::json;

constexpr char kGlovebox[] = "Glovebox, own root";

// Of two medians; below zero when one is missing.
double Sum(double a, double b) { return a < 0 || b < 0 ? -1 : a + b; }

class Judge {
 public:
  explicit Judge(const json& document) : document_(document) {}

  double Median(const char* table, const std::string& name, const char* metric) const {
    return Find(document_, table, name, metric);
  }
  double Figure(const char* id) const { return Find(document_, id, "", ""); }

  // measured / of, which must be at most `limit`. Negative: not measured.
  void AtMost(const char* what, double measured, double of, double limit, const char* unit) {
    Add(what, "≤ ", measured, of, limit, unit, true);
  }
  void AtLeast(const char* what, double measured, double of, double limit, const char* unit) {
    Add(what, "≥ ", measured, of, limit, unit, false);
  }

  // A figure that was taken several times: its median, with the spread beside it.
  void FigureAtLeast(const char* what, const char* id, double limit, const char* unit) {
    AtLeast(what, Figure(id), 1, limit, unit);
    for (const json& figure : document_["figures"]) {
      if (figure["id"] != id || !figure.contains("low")) continue;
      for (const char* key : {"low", "high", "samples"}) rows_.back()[key] = figure[key];
    }
  }

  json Rows() && { return std::move(rows_); }

 private:
  void Add(const char* what, const char* sign, double measured, double of, double limit,
           const char* unit, bool at_most) {
    char target[64];
    (void)snprintf(target, sizeof target, "%s%.3g%s", sign, limit, unit);
    json row = {{"what", what}, {"target", target}, {"measured", nullptr}, {"met", nullptr}};
    if (measured >= 0 && of > 0) {
      double value = measured / of;
      row["measured"] = value;
      row["unit"] = unit;
      row["met"] = at_most ? value <= limit : value >= limit;
    }
    rows_.push_back(row);
  }

  const json& document_;
  json rows_ = json::array();
};

void JudgeCreate(Judge* judge) {
  const double ours = judge->Median("create", kGlovebox, "first_byte");
  judge->AtMost("create and first output byte, beside vfork+exec of a static true", ours,
                judge->Median("create", kUnitCase, "end"), 5, " ×");
  judge->AtMost("the same beside bubblewrap", ours,
                judge->Median("create", "bubblewrap", "first_byte"), 0.5, " ×");
  judge->AtMost("the same beside crun run", ours, judge->Median("create", "crun run", "first_byte"),
                0.125, " ×");
}

void JudgeExec(Judge* judge) {
  const double first_byte = judge->Median("exec", kGlovebox, "first_byte");
  const double end = judge->Median("exec", kGlovebox, "end");
  const double echo = judge->Median("exec", "gRPC echo, bare server", "end");
  const double spawn_byte = judge->Median("exec", "vfork+exec of a static hello", "first_byte");
  const double spawn_end = judge->Median("exec", "vfork+exec of a static hello", "end");
  judge->AtMost("exec, first byte, beside gRPC echo + vfork+exec of the same program", first_byte,
                Sum(echo, spawn_byte), 1.5, " ×");
  judge->AtMost("exec, exit known, beside gRPC echo + vfork+exec of the same program", end,
                Sum(echo, spawn_end), 1.5, " ×");
  judge->AtMost("exec, exit known, beside crun exec", end,
                judge->Median("exec", "crun exec", "end"), 0.04, " ×");
  judge->AtMost("exec of a static true, exit known, beside podman exec",
                judge->Median("exec_true", kGlovebox, "end"),
                judge->Median("exec_true", "podman exec", "end"), 1.0 / 150, " ×");
  judge->AtMost("kill of a tree of 10,000 processes, beside the kernel's own time",
                judge->Median("tree", "Glovebox: SignalExec to WaitExec", "end"),
                judge->Median("tree", "kernel floor: cgroup.kill until all are reaped", "end"), 1.5,
                " ×");
}

void JudgeEnd(Judge* judge) {
  judge->AtMost("DeleteSandbox answered", judge->Median("end", kGlovebox, "answered"), 1000, 1,
                " ms");
  judge->AtMost("everything of the sandbox gone, beside the kernel's floor",
                judge->Median("end", kGlovebox, "gone"),
                judge->Median("end", "kernel floor: seven namespaces", "end"), 1.5, " ×");
}

void JudgeLoad(Judge* judge) {
  judge->AtLeast("cold creates per second, 16 at a time", judge->Figure("creates_per_second"), 1,
                 150, " /s");
  judge->AtMost("p99 of them beside their p50", judge->Figure("create_loaded_p99_ms"),
                judge->Figure("create_loaded_p50_ms"), 10, " ×");
  judge->FigureAtLeast("output through gRPC beside a bare stream of 256 KiB chunks, each pair",
                       "stream_ratio", 0.8, " ×");
  judge->AtMost("kernel memory per idle sandbox", judge->Figure("memory_host_kib"), 1, 700, " KiB");
  judge->AtMost("glovebox-init, PSS", judge->Figure("memory_init_pss_kib"), 1, 32, " KiB");
  judge->AtMost("gloveboxd per sandbox, RSS", judge->Figure("memory_daemon_kib"), 1, 32, " KiB");
  judge->AtMost("gloveboxd idle, RSS", judge->Figure("daemon_idle_rss_kib"), 1024, 40, " MiB");
}

void JudgeRepository(Judge* judge) {
  const double ours = judge->Median("repository", "Glovebox at a cached commit", "created");
  judge->AtMost("sandbox at a cached commit, whole", ours, 1000, 10, " ms");
  judge->AtMost("the same beside git clone --local", ours,
                judge->Median("repository", "git clone --local", "end"), 0.02, " ×");
}

}  // namespace

json JudgeTargets(const json& document) {
  Judge judge(document);
  JudgeCreate(&judge);
  JudgeExec(&judge);
  JudgeEnd(&judge);
  JudgeLoad(&judge);
  JudgeRepository(&judge);
  return std::move(judge).Rows();
}

}  // namespace glovebox::bench

#include "tests/bench/report.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "linux/file_io.h"
#include "tests/bench/targets.h"

namespace glovebox::bench {
namespace {

using nlohmann::json;

std::string ValueAfter(const char* path, absl::string_view key) {
  auto text = ReadFileAt(AT_FDCWD, path, size_t{1} << 20);
  for (absl::string_view line : absl::StrSplit(text.ok() ? *text : "", '\n')) {
    if (!absl::ConsumePrefix(&line, key)) continue;
    return std::string(absl::StripAsciiWhitespace(absl::StripPrefix(line, "\t: ")));
  }
  return "unknown";
}

std::string Trimmed(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(absl::StripPrefix(text, "\"")));
}

json Machine() {
  utsname name{};
  (void)uname(&name);  // cannot fail
  std::string cpu = Trimmed(ValueAfter("/proc/cpuinfo", "model name\t: "));
  std::string system = ValueAfter("/etc/os-release", "PRETTY_NAME=\"");
  if (!system.empty() && system.back() == '"') system.pop_back();
  const bool hybrid = access("/sys/fs/cgroup/unified", F_OK) == 0;
  const bool pure = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
  double load[1] = {0};
  (void)getloadavg(load, 1);  // /proc is there
  return {{"load", load[0]},
          {"cpus", sysconf(_SC_NPROCESSORS_ONLN)},
          {"cpu", cpu},
          {"memory_mib", sysconf(_SC_PHYS_PAGES) / 256},
          {"kernel", name.release},
          {"system", system},
          {"cgroup", pure ? "v2" : (hybrid ? "v1 with a v2 tree (hybrid)" : "v1")}};
}

// 0 when it was not measured.
double MedianOf(const std::vector<CaseResult>& results, absl::string_view name,
                const std::string& metric) {
  for (const CaseResult& result : results) {
    auto found = result.metrics.find(metric);
    if (result.name == name && found != result.metrics.end()) return found->second.Median();
  }
  return 0;
}

std::string Date() {
  time_t now = time(nullptr);
  tm parts{};
  char text[32];
  (void)gmtime_r(&now, &parts);
  return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

Report::Report(const Pace& pace) {
  document_ = {
      {"date", Date()},
      {"machine", Machine()},
      {"method",
       {{"rounds", pace.rounds}, {"warm_up_rounds", pace.warm_up_rounds}, {"gap_ms", pace.gap_ms}}},
      {"tables", json::array()},
      {"figures", json::array()},
      {"notes", json::array()}};
}

void Report::AddTable(const std::string& id, const std::string& title,
                      const std::vector<CaseResult>& results, const std::string& unit_case) {
  json rows = json::array();
  for (const CaseResult& result : results) {
    if (result.failures > 0) {
      AddNote(absl::StrCat(title, ": ", result.name, " failed ", result.failures,
                           " times, first with: ", result.first_failure));
    }
    for (const auto& [metric, samples] : result.metrics) {
      const double unit = unit_case.empty() ? MedianOf(results, kUnitCase, "end")
                                            : MedianOf(results, unit_case, metric);
      rows.push_back({{"case", result.name},
                      {"metric", metric},
                      {"median_us", samples.Median()},
                      {"p10_us", samples.Percentile(0.1)},
                      {"p99_us", samples.Percentile(0.99)},
                      {"ratio", unit > 0 ? samples.Median() / unit : 0},
                      {"samples", samples.size()},
                      {"failures", result.failures}});
    }
  }
  document_["tables"].push_back({{"id", id},
                                 {"title", title},
                                 {"unit", unit_case.empty() ? std::string() : unit_case},
                                 {"rows", rows}});
}

void Report::AddFigure(const std::string& id, const std::string& what, double value,
                       const std::string& unit) {
  document_["figures"].push_back({{"id", id}, {"what", what}, {"value", value}, {"unit", unit}});
}

void Report::AddFigure(const std::string& id, const std::string& what, const Samples& samples,
                       const std::string& unit) {
  AddFigure(id, what, samples.Median(), unit);
  document_["figures"].back().update({{"low", samples.Percentile(0)},
                                      {"high", samples.Percentile(1)},
                                      {"samples", samples.size()}});
}

void Report::AddNote(const std::string& text) { document_["notes"].push_back(text); }

void Report::SetPeers(const std::map<std::string, std::string>& versions) {
  document_["peers"] = versions;
  for (const auto& [name, version] : versions) {
    if (version == "missing") AddNote(name + " is missing on this machine: not measured");
  }
}

json Report::Finish() {
  document_["targets"] = JudgeTargets(document_);
  return document_;
}

double Find(const json& document, absl::string_view id, absl::string_view name,
            absl::string_view metric) {
  if (metric.empty()) {
    for (const json& figure : document["figures"]) {
      if (figure["id"] == std::string(id)) return figure["value"];
    }
    return -1;
  }
  for (const json& table : document["tables"]) {
    if (table["id"] != std::string(id)) continue;
    for (const json& row : table["rows"]) {
      if (row["case"] == std::string(name) && row["metric"] == std::string(metric)) {
        return row["median_us"];
      }
    }
  }
  return -1;
}

}  // namespace glovebox::bench

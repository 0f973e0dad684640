// What a run found, as one JSON document, and that document as tables for people.
#ifndef GLOVEBOX_TESTS_BENCH_REPORT_H_
#define GLOVEBOX_TESTS_BENCH_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/bench/interleave.h"

namespace glovebox::bench {

// The case whose "end" is the unit of each table's ratios.
inline constexpr char kUnitCase[] = "vfork+exec of a static true";

class Report {
 public:
  explicit Report(const Pace& pace);

  // A table of one interleaved run: every metric of every case, its ratio to "end" of kUnitCase, or
  // to the same metric of `unit_case`.
  void AddTable(const std::string& id, const std::string& title,
                const std::vector<CaseResult>& results, const std::string& unit_case = "");

  // One number.
  void AddFigure(const std::string& id, const std::string& what, double value,
                 const std::string& unit);

  // The median of several samples, with the least and the greatest of them.
  void AddFigure(const std::string& id, const std::string& what, const Samples& samples,
                 const std::string& unit);

  // Something that the reader must know, e.g. a case that could not be measured.
  void AddNote(const std::string& text);

  void SetPeers(const std::map<std::string, std::string>& versions);

  // With the targets judged.
  nlohmann::json Finish();

 private:
  nlohmann::json document_;
};

// The tables, for a terminal.
std::string FormatTables(const nlohmann::json& document);

// docs/benchmarks.md.
std::string FormatDocument(const nlohmann::json& document);

// The median in microseconds of a metric, or of a figure with an empty metric; below zero when the
// document lacks it.
double Find(const nlohmann::json& document, absl::string_view id, absl::string_view name,
            absl::string_view metric);

}  // namespace glovebox::bench

#endif  // GLOVEBOX_TESTS_BENCH_REPORT_H_

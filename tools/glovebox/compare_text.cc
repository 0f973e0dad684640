#include "tools/glovebox/compare_text.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/table.h"

namespace glovebox {
namespace {

constexpr int kShownIdDigits = 12;
constexpr int kMatrixMax = 20;  // sandboxes, beyond which a line would not fit
constexpr size_t kColumnMin = 30;
constexpr absl::string_view kBetween = " | ";

std::string SandboxTable(const v1::CompareSandboxesResponse& response,
                         const std::vector<bool>& execs_chosen, bool bold_head) {
  std::vector<std::vector<std::string>> rows = {
      {"NR", "SANDBOX", "FILES", "ADDED", "REMOVED", "SAME AS", "EXEC"}};
  for (int i = 0; i < response.outcomes_size(); ++i) {
    const v1::SandboxOutcome& outcome = response.outcomes(i);
    const v1::DiffSummary& summary = outcome.summary();
    std::string same = "-";
    for (int before = 0; before < i && same == "-"; ++before) {
      if (response.outcomes(before).summary().digest() == summary.digest()) {
        same = absl::StrCat(before + 1);
      }
    }
    rows.push_back({absl::StrCat(i + 1), outcome.sandbox_id().substr(0, kShownIdDigits),
                    absl::StrCat(summary.files_changed()), absl::StrCat("+", summary.lines_added()),
                    absl::StrCat("-", summary.lines_removed()), same,
                    OutcomeText(outcome, execs_chosen.at(static_cast<size_t>(i)))});
  }
  return FormatTable(rows, bold_head);
}

std::string PathTable(const v1::CompareSandboxesResponse& response, bool bold_head) {
  const int sandboxes = response.outcomes_size();
  const bool matrix = sandboxes <= kMatrixMax;
  std::vector<std::vector<std::string>> rows = {{""}};
  if (matrix) {
    for (int i = 0; i < sandboxes; ++i) rows[0].push_back(absl::StrCat(i + 1));
  } else {
    rows[0].insert(rows[0].end(), {"CHANGED BY", "VERSIONS"});
  }
  rows[0].push_back("PATH");
  for (const v1::ComparedPath& path : response.paths()) {
    const std::set<uint32_t> different(path.versions().begin(), path.versions().end());
    std::vector<std::string> row = {different.size() == 1 ? "agree" : "differ"};
    if (matrix) {
      for (const uint32_t version : path.versions()) {
        row.push_back(version == 0 ? "." : absl::StrCat(version));
      }
    } else {
      const auto changed =
          sandboxes - std::count(path.versions().begin(), path.versions().end(), 0);
      row.push_back(absl::StrCat(changed, " of ", sandboxes));
      row.push_back(absl::StrCat(different.size() - different.count(0)));
    }
    row.push_back(EscapeForPeople(path.path()));
    rows.push_back(std::move(row));
  }
  return FormatTable(rows, bold_head);
}

// The first characters, exactly `width` of them, of what is UTF-8 after escaping.
std::string Cell(absl::string_view line, size_t width) {
  std::string shown = EscapeForPeople(line);
  size_t characters = 0;
  size_t end = 0;
  for (; end < shown.size(); ++end) {
    if ((static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) continue;
    if (characters == width) break;
    ++characters;
  }
  if (end < shown.size()) {
    // The last one gives way to a mark of what is missing.
    while (end > 0 && (static_cast<unsigned char>(shown[end - 1]) & 0xC0) == 0x80) --end;
    shown.resize(end > 0 ? end - 1 : 0);
    return shown + ">";
  }
  return shown.append(width - characters, ' ');
}

std::vector<absl::string_view> LinesOf(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace

std::string OutcomeText(const v1::SandboxOutcome& outcome, bool exec_chosen) {
  if (!exec_chosen) return "-";
  if (!outcome.has_exec_end()) return "running";
  const v1::End& end = outcome.exec_end();
  const std::string cause = CauseName(end.cause());
  std::string how;
  if (end.has_exit_code()) how = absl::StrCat("exited ", end.exit_code());
  if (end.has_signal()) how = SignalName(end.signal());
  if (how.empty() || cause == "exited" || cause == "signaled") return how.empty() ? cause : how;
  return absl::StrCat(cause, ", ", how);
}

std::string CompareTable(const v1::CompareSandboxesResponse& response,
                         const std::vector<bool>& execs_chosen, bool bold_head) {
  std::string text = SandboxTable(response, execs_chosen, bold_head);
  if (response.paths_size() > 0) absl::StrAppend(&text, "\n", PathTable(response, bold_head));
  if (response.paths_cut()) absl::StrAppend(&text, "... and more paths\n");
  return text;
}

std::string SideBySide(const std::vector<PatchColumn>& columns, size_t width) {
  std::string out;
  const size_t between = columns.empty() ? 0 : (columns.size() - 1) * kBetween.size();
  const size_t column =
      columns.empty() || width <= between ? 0 : (width - between) / columns.size();
  if (column < kColumnMin) {
    for (const PatchColumn& one : columns) {
      absl::StrAppend(&out, "== ", one.title, "\n");
      for (const absl::string_view line : LinesOf(one.text)) {
        absl::StrAppend(&out, EscapeForPeople(line), "\n");
      }
    }
    return out;
  }
  std::vector<std::vector<absl::string_view>> lines;
  size_t rows = 0;
  for (const PatchColumn& one : columns) {
    lines.push_back(LinesOf(one.text));
    lines.back().insert(lines.back().begin(), one.title);
    rows = std::max(rows, lines.back().size());
  }
  for (size_t row = 0; row < rows; ++row) {
    std::string line;
    for (size_t i = 0; i < lines.size(); ++i) {
      absl::StrAppend(&line, i == 0 ? "" : kBetween,
                      Cell(row < lines[i].size() ? lines[i][row] : "", column));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

}  // namespace glovebox

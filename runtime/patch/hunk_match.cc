#include "patch/hunk_match.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace glovebox {
namespace {

using Lines = std::vector<absl::string_view>;

// Comparisons of lines that a look for the nearest match may make.
constexpr size_t kNearestWork = 20'000'000;

absl::string_view WithoutEnd(absl::string_view line) {
  absl::ConsumeSuffix(&line, "\n");
  absl::ConsumeSuffix(&line, "\r");
  return line;
}

Lines OldLines(const Hunk& hunk) {
  Lines lines;
  for (const HunkLine& line : hunk.lines) {
    if (line.mark != '+') lines.push_back(line.text);
  }
  return lines;
}

std::string Joined(const Lines& lines, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end && i < lines.size() && text.size() < kReportedTextBytesMax; ++i) {
    absl::StrAppend(&text, lines[i]);
  }
  text.resize(std::min(text.size(), kReportedTextBytesMax));
  return text;
}

struct Place {
  size_t at = 0;
  uint32_t fuzz = 0;
};

// How a line of the agent format may differ.
enum class Blanks { kSame, kEndDiffers, kBothDiffer };

bool SameButForBlanks(absl::string_view a, absl::string_view b, Blanks blanks) {
  switch (blanks) {
    case Blanks::kSame:
      return WithoutEnd(a) == WithoutEnd(b);
    case Blanks::kEndDiffers:
      return absl::StripTrailingAsciiWhitespace(a) == absl::StripTrailingAsciiWhitespace(b);
    case Blanks::kBothDiffer:
      return absl::StripAsciiWhitespace(a) == absl::StripAsciiWhitespace(b);
  }
  return false;
}

class HunkApplier {
 public:
  HunkApplier(absl::string_view content, bool agent, uint32_t fuzz_max)
      : agent_(agent), fuzz_max_(std::min(fuzz_max, kFuzzLinesMax)), lines_(SplitLines(content)) {
    crlf_ = agent && !lines_.empty() && absl::EndsWith(lines_.front(), "\r\n");
  }

  bool Apply(const Hunk& hunk, HunkReport* report) {
    const std::optional<Place> place = agent_ ? FindByText(hunk) : FindByLine(hunk);
    if (!place.has_value()) {
      Explain(hunk, report);
      return false;
    }
    report->applied = true;
    report->line = place->at + 1;
    report->fuzz_lines = place->fuzz;
    Emit(hunk, place->at);
    return true;
  }

  std::string Finish() {
    CopyTo(lines_.size());
    return std::move(out_);
  }

 private:
  // --- git's ---

  struct Fit {
    bool begins_file = false, ends_file = false;
    uint32_t fuzz = 0;
  };

  std::optional<uint32_t> FitsAt(const Hunk& hunk, size_t old_count, size_t at, Fit how) const {
    if (at < cursor_ || old_count > lines_.size() - at) return std::nullopt;
    if (how.begins_file && at != 0) return std::nullopt;
    if (how.ends_file && at + old_count != lines_.size()) return std::nullopt;
    uint32_t differ = 0, same = 0;
    for (const HunkLine& line : hunk.lines) {
      if (line.mark == '+') continue;
      if (lines_[at++] == line.text) {
        ++same;
      } else if (line.mark == '-' || ++differ > how.fuzz) {
        return std::nullopt;
      }
    }
    if (differ > 0 && differ >= same) return std::nullopt;
    return differ;
  }

  size_t ExpectedIndex(const Hunk& hunk) const {
    const auto line = static_cast<int64_t>(hunk.new_line > 0 ? hunk.new_line - 1 : 0);
    return static_cast<size_t>(
        std::clamp<int64_t>(line - grown_, 0, static_cast<int64_t>(lines_.size())));
  }

  std::optional<Place> FindByLine(const Hunk& hunk) const {
    const size_t old_count = OldLines(hunk).size();
    const Fit exact{hunk.old_line <= 1, hunk.lines.back().mark != ' ', 0};
    if (auto place = Search(hunk, old_count, exact)) return place;
    for (uint32_t fuzz = 1; fuzz <= fuzz_max_ && old_count > 1; ++fuzz) {
      if (auto place = Search(hunk, old_count, {false, false, fuzz})) {
        place->fuzz = std::max(place->fuzz, uint32_t{1});  // also for an end that counts no more
        return place;
      }
    }
    return std::nullopt;
  }

  // Ahead and back in turn, as git's find_pos.
  std::optional<Place> Search(const Hunk& hunk, size_t old_count, const Fit& fit) const {
    if (old_count > lines_.size()) return std::nullopt;
    size_t start = ExpectedIndex(hunk);
    if (fit.begins_file) start = 0;
    if (fit.ends_file && !fit.begins_file) start = lines_.size() - old_count;
    for (size_t step = 0; step <= lines_.size(); ++step) {
      if (step == 0 || step <= lines_.size() - start) {
        if (auto fuzz = FitsAt(hunk, old_count, start + step, fit)) {
          return Place{start + step, *fuzz};
        }
      }
      if (step > 0 && step <= start) {
        if (auto fuzz = FitsAt(hunk, old_count, start - step, fit)) {
          return Place{start - step, *fuzz};
        }
      }
      if (fit.begins_file || fit.ends_file) break;  // there is one such place
    }
    return std::nullopt;
  }

  // --- the agent format's ---

  std::optional<Place> FindAnchors(const Hunk& hunk) const {
    Place place{cursor_, 0};
    for (const absl::string_view anchor : hunk.anchors) {
      size_t at = place.at;
      bool found = false;
      for (const Blanks blanks : {Blanks::kSame, Blanks::kBothDiffer}) {
        if (found || (blanks != Blanks::kSame && place.fuzz >= fuzz_max_)) break;
        for (at = place.at; at < lines_.size() && !found; ++at) {
          found = SameButForBlanks(lines_[at], anchor, blanks);
        }
        if (found && blanks != Blanks::kSame) ++place.fuzz;
      }
      if (!found) return std::nullopt;
      place.at = at;
    }
    return place;
  }

  std::optional<uint32_t> DiffersAt(const Lines& old, size_t at, Blanks blanks) const {
    uint32_t differ = 0;
    for (size_t i = 0; i < old.size(); ++i) {
      if (SameButForBlanks(lines_[at + i], old[i], Blanks::kSame)) continue;
      if (!SameButForBlanks(lines_[at + i], old[i], blanks)) return std::nullopt;
      if (++differ > fuzz_max_) return std::nullopt;
    }
    return differ;
  }

  std::optional<Place> FindByText(const Hunk& hunk) const {
    const std::optional<Place> anchor = FindAnchors(hunk);
    if (!anchor.has_value()) return std::nullopt;
    const Lines old = OldLines(hunk);
    if (old.empty() && (hunk.anchors.empty() || hunk.at_end)) {
      return Place{lines_.size(), anchor->fuzz};
    }
    if (old.size() > lines_.size()) return std::nullopt;
    const size_t last = lines_.size() - old.size();
    const size_t first = hunk.at_end ? std::max(last, anchor->at) : anchor->at;
    for (const Blanks blanks : {Blanks::kSame, Blanks::kEndDiffers, Blanks::kBothDiffer}) {
      for (size_t at = first; at <= last; ++at) {
        const std::optional<uint32_t> differ = DiffersAt(old, at, blanks);
        if (!differ.has_value() || *differ + anchor->fuzz > fuzz_max_) continue;
        return Place{at, *differ + anchor->fuzz};
      }
      if (fuzz_max_ == 0) break;
    }
    return std::nullopt;
  }

  // --- both ---

  void CopyTo(size_t end) {
    for (; cursor_ < end; ++cursor_) absl::StrAppend(&out_, lines_[cursor_]);
  }

  void AddLine(absl::string_view text) {
    if (!agent_) {
      absl::StrAppend(&out_, text);
      return;
    }
    // A last line without an end gets one when another follows.
    if (!out_.empty() && out_.back() != '\n') absl::StrAppend(&out_, crlf_ ? "\r\n" : "\n");
    absl::StrAppend(&out_, WithoutEnd(text), crlf_ ? "\r\n" : "\n");
  }

  void Emit(const Hunk& hunk, size_t at) {
    CopyTo(at);
    for (const HunkLine& line : hunk.lines) {
      if (line.mark == '+') {
        AddLine(line.text);
        ++grown_;
      } else if (line.mark == '-') {
        ++cursor_;
        --grown_;
      } else {
        CopyTo(cursor_ + 1);
      }
    }
  }

  void Explain(const Hunk& hunk, HunkReport* report) const {
    Lines old = OldLines(hunk);
    if (old.empty()) old = Lines(hunk.anchors.begin(), hunk.anchors.end());
    report->expected = Joined(old, 0, old.size());
    report->line = NearestLine(lines_, old, agent_ ? cursor_ : ExpectedIndex(hunk));
    if (report->line == 0) return;
    report->found = Joined(lines_, report->line - 1, report->line - 1 + old.size());
  }

  const bool agent_;
  const uint32_t fuzz_max_;
  bool crlf_ = false;
  const Lines lines_;
  size_t cursor_ = 0;  // lines before it are in out_, or gone
  int64_t grown_ = 0;  // lines that out_ has more than were taken
  std::string out_;
};

HunkReport BeginReport(const FilePatch& file, const Hunk& hunk) {
  HunkReport report;
  report.path = file.new_path.empty() ? file.old_path : file.new_path;
  report.hunk = hunk.number;
  report.patch_line = hunk.patch_line;
  return report;
}

}  // namespace

std::vector<absl::string_view> SplitLines(absl::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t size = end == absl::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

uint64_t NearestLine(const Lines& file, const Lines& lines, size_t near) {
  size_t best_score = 0, best_at = 0, work = 0;
  const auto distance = [near](size_t at) { return at > near ? at - near : near - at; };
  for (size_t at = 0; at < file.size(); ++at) {
    size_t score = 0;
    for (size_t i = 0; i < lines.size() && at + i < file.size(); ++i, ++work) {
      if (work > kNearestWork) return best_score > 0 ? best_at + 1 : 0;
      const absl::string_view wanted = absl::StripAsciiWhitespace(lines[i]);
      if (wanted.empty()) continue;  // blank lines are like any other
      if (file[at + i] == lines[i]) {
        score += 2;
      } else if (absl::StripAsciiWhitespace(file[at + i]) == wanted) {
        score += 1;
      }
    }
    if (score > best_score ||
        (score == best_score && score > 0 && distance(at) < distance(best_at))) {
      best_score = score;
      best_at = at;
    }
  }
  return best_score > 0 ? best_at + 1 : 0;
}

std::optional<std::string> ApplyHunks(absl::string_view content, const FilePatch& file,
                                      uint32_t fuzz_lines_max, std::vector<HunkReport>* reports) {
  HunkApplier applier(content, file.agent, fuzz_lines_max);
  bool all = true;
  for (const Hunk& hunk : file.hunks) {
    reports->push_back(BeginReport(file, hunk));
    all = applier.Apply(hunk, &reports->back()) && all;
  }
  if (!all) return std::nullopt;
  return applier.Finish();
}

void ReportAllMissing(const FilePatch& file, std::vector<HunkReport>* reports) {
  for (const Hunk& hunk : file.hunks) {
    reports->push_back(BeginReport(file, hunk));
    const Lines old = OldLines(hunk);
    reports->back().expected = Joined(old, 0, old.size());
  }
}

}  // namespace glovebox

#include "tools/glovebox/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

constexpr size_t kBarWidth = 20;
constexpr absl::Duration kShownApart = absl::Milliseconds(100);

std::string Bar(uint64_t done, uint64_t total) {
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<size_t>(part * kBarWidth);
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarWidth - filled, '-'), "] ",
                      static_cast<int>(part * 100), " %  ");
}

}  // namespace

std::string ProgressText(const v1::ImportProgress& progress) {
  return ProgressText(EnumWord(v1::ImportPhase_Name(progress.phase()), "IMPORT_PHASE_"), progress);
}

std::string ProgressText(absl::string_view doing, const v1::ImportProgress& progress) {
  std::string text = absl::StrCat(doing, "  ");
  const bool bytes_known = progress.has_bytes_total() && progress.bytes_total() != 0;
  const bool items_known = progress.has_items_total() && progress.items_total() != 0;
  if (bytes_known) {
    text += Bar(progress.bytes_done(), progress.bytes_total());
  } else if (items_known) {
    text += Bar(progress.items_done(), progress.items_total());
  }
  text += FormatSize(progress.bytes_done());
  if (bytes_known) absl::StrAppend(&text, " of ", FormatSize(progress.bytes_total()));
  if (progress.items_done() != 0) absl::StrAppend(&text, ", ", progress.items_done(), " items");
  return text;
}

ProgressLine::ProgressLine() : wanted_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (shown_) (void)std::fputs("\r\x1b[K", stderr);
}

void ProgressLine::Write(absl::string_view text) {
  shown_ = true;
  (void)std::fputs(absl::StrCat("\r", text, "\x1b[K").c_str(), stderr);
}

void ProgressLine::Show(const v1::ImportProgress& progress) {
  if (wanted_) Write(ProgressText(progress));
}

void ProgressLine::ShowText(absl::string_view text) {
  if (wanted_) Write(text.substr(0, CurrentWindowSize().columns - 1));
}

void ProgressLine::ShowAs(absl::string_view doing, const v1::ImportProgress& progress) {
  if (!wanted_) return;
  const absl::Time now = absl::Now();
  if (now < next_ && progress.bytes_done() != progress.bytes_total()) return;
  next_ = now + kShownApart;
  Write(ProgressText(doing, progress));
}

}  // namespace glovebox

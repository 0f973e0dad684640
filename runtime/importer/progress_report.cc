#include "importer/progress_report.h"

#include <unistd.h>

#include <ctime>
#include <string>

#include "absl/strings/str_cat.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr int64_t kIntervalNs = 500'000'000;

int64_t Now() {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);  // fails for no clock that is there
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void ProgressReport::MayTell() {
  const int64_t now = Now();
  if (now - told_ns_ < kIntervalNs) return;
  told_ns_ = now;
  // Whoever does not read it misses nothing but the display.
  (void)WriteAll(STDERR_FILENO,
                 absl::StrCat("glovebox-progress ", done_, " ", total_, " ", items_, "\n"));
}

}  // namespace glovebox

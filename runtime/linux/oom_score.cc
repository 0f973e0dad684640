#include "linux/oom_score.h"

#include <fcntl.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr char kFile[] = "/proc/self/oom_score_adj";

// Without /proc nothing else of the daemon would work either: counted as unprotected.
int ReadScore() {
  const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, kFile, 64);
  int score = 0;
  return text.ok() && absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &score) ? score : 0;
}

}  // namespace

KernelFeature JudgeOomScore(int score) {
  KernelFeature feature;
  feature.name = "daemon_oom_protection";
  feature.found = absl::StrCat("oom_score_adj ", score, " (sandboxes 500)");
  if (score <= kProtectedOomScore) {
    feature.state = FeatureState::kOk;
    return feature;
  }
  feature.state = FeatureState::kDegraded;
  feature.lost =
      "when the host itself runs out of memory, sandboxes still go before the daemon, and the "
      "daemon before what is protected";
  feature.remedy =
      absl::StrCat("run the daemon with CAP_SYS_RESOURCE, or OOMScoreAdjust=", kProtectedOomScore,
                   " in its unit");
  return feature;
}

KernelFeature ProtectFromOomKiller() {
  if (ReadScore() > kProtectedOomScore) {
    absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, kFile, O_WRONLY, 0);
    // Refused without CAP_SYS_RESOURCE, which many hosts withhold: the score below says so.
    if (fd.ok()) (void)WriteAll(fd->get(), absl::StrCat(kProtectedOomScore));
  }
  return JudgeOomScore(ReadScore());
}

}  // namespace glovebox

#include "linux/cgroup_knobs.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr uint64_t kPeriodUs = 100000;  // of the CPU limit; the kernel's default
constexpr uint64_t kPageBytes = 4096;

uint64_t QuotaUs(const CgroupLimits& limits) { return limits.cpu_millis * kPeriodUs / 1000; }

// The kernel counts pages and shows the rounded value.
std::string WholePages(uint64_t bytes) { return absl::StrCat(bytes / kPageBytes * kPageBytes); }

}  // namespace

std::vector<CgroupKnob> V1Knobs(absl::string_view controller, const CgroupLimits& limits) {
  if (controller == "memory") {
    const std::string bytes = WholePages(limits.memory_bytes);
    return {{"memory.limit_in_bytes", bytes, false},
            // Memory and swap together, so it comes second: it may not be below the former.
            {"memory.memsw.limit_in_bytes", bytes, true},
            {"memory.swappiness", "0", true},
            // What waits in TCP and UDP sockets counts nowhere until this limit is set, and then
            // apart from the rest; v2 counts it as memory.
            {"memory.kmem.tcp.limit_in_bytes", WholePages(limits.memory_bytes / 4), true}};
  }
  if (controller == "pids") return {{"pids.max", absl::StrCat(limits.pids_max), false}};
  if (controller == "cpu") {
    return {{"cpu.cfs_period_us", absl::StrCat(kPeriodUs), false},
            {"cpu.cfs_quota_us", absl::StrCat(QuotaUs(limits)), false}};
  }
  return {};
}

std::vector<CgroupKnob> V2Knobs(const CgroupLimits& limits) {
  return {{"memory.max", WholePages(limits.memory_bytes), false},
          {"memory.swap.max", "0", true},
          {"pids.max", absl::StrCat(limits.pids_max), false},
          {"cpu.max", absl::StrCat(QuotaUs(limits), " ", kPeriodUs), false}};
}

absl::Status ApplyKnobs(int directory_fd, const std::vector<CgroupKnob>& knobs) {
  for (const CgroupKnob& knob : knobs) {
    const absl::Status written = WriteKernelFileAt(directory_fd, knob.file, knob.value);
    if (absl::IsNotFound(written) && knob.may_be_absent) continue;
    RETURN_IF_ERROR(Annotate(written, absl::StrCat("limit ", knob.value)));
    ASSIGN_OR_RETURN(const std::string text,
                     ReadFileAt(directory_fd, knob.file, kControlFileBytesMax));
    const absl::string_view found = absl::StripAsciiWhitespace(text);
    if (found != knob.value) {
      return DetailedError(
          absl::StatusCode::kFailedPrecondition,
          absl::StrCat("cgroup: wrote ", knob.value, " to ", knob.file, ", but it says ", found),
          {"CGROUP_LIMIT_NOT_HELD",
           {{"file", knob.file}, {"wanted", knob.value}, {"found", std::string(found)}}});
    }
  }
  return absl::OkStatus();
}

std::optional<uint64_t> FlatKeyed(absl::string_view text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t value = 0;
    if (words.size() == 2 && words[0] == key && absl::SimpleAtoi(words[1], &value)) return value;
  }
  return std::nullopt;
}

absl::StatusOr<uint64_t> ReadKeyedNumber(int directory_fd, const std::string& file,
                                         absl::string_view key) {
  ASSIGN_OR_RETURN(const std::string text, ReadFileAt(directory_fd, file, kControlFileBytesMax));
  const std::optional<uint64_t> value = FlatKeyed(text, key);
  if (!value.has_value()) return absl::DataLossError(absl::StrCat(file, " has no line ", key));
  return *value;
}

absl::StatusOr<uint64_t> ReadNumber(int directory_fd, const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFileAt(directory_fd, file, kControlFileBytesMax));
  uint64_t value = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &value)) {
    return absl::DataLossError(absl::StrCat(file, " is not a number"));
  }
  return value;
}

}  // namespace glovebox

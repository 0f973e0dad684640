// The control files of cgroups: what is written for which limit, and how their text is read.
#ifndef GLOVEBOX_LINUX_CGROUP_KNOBS_H_
#define GLOVEBOX_LINUX_CGROUP_KNOBS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "linux/cgroup.h"

namespace glovebox {

struct CgroupKnob {
  std::string file;
  std::string value;           // also what the file must say afterwards
  bool may_be_absent = false;  // the kernel is built without it, and then there is nothing to limit
  friend bool operator==(const CgroupKnob&, const CgroupKnob&) = default;
};

// Pure; in the order of writing. `controller`: memory, pids or cpu; nothing for others.
std::vector<CgroupKnob> V1Knobs(absl::string_view controller, const CgroupLimits& limits);
std::vector<CgroupKnob> V2Knobs(const CgroupLimits& limits);

// Writes each knob and reads it back. FAILED_PRECONDITION with reason CGROUP_LIMIT_NOT_HELD
// (metadata file, wanted, found) when the kernel kept another value; NOT_FOUND when a file is
// missing.
absl::Status ApplyKnobs(int directory_fd, const std::vector<CgroupKnob>& knobs);

// The number behind `key` in lines of "key number"; nullopt when there is none.
std::optional<uint64_t> FlatKeyed(absl::string_view text, absl::string_view key);

// FlatKeyed of a control file, and a file with one number; DATA_LOSS when it is not there.
absl::StatusOr<uint64_t> ReadKeyedNumber(int directory_fd, const std::string& file,
                                         absl::string_view key);
absl::StatusOr<uint64_t> ReadNumber(int directory_fd, const std::string& file);

inline constexpr size_t kControlFileBytesMax = 64 * 1024;

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_CGROUP_KNOBS_H_

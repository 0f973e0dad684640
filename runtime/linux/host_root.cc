#include "linux/host_root.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kMapBytesMax = 65536;
constexpr char kWhatFor[] =
    "sandboxes need id ranges, id-mapped mounts and loop devices of the host, and there is no mode "
    "without them";

}  // namespace

bool IsInitialUidMap(absl::string_view uid_map) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(uid_map, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return words == std::vector<absl::string_view>{"0", "0", "4294967295"};
}

absl::Status CheckHostRoot() {
  if (::geteuid() != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("it runs as uid ", ::geteuid(), ": ", kWhatFor));
  }
  ASSIGN_OR_RETURN(const std::string map, ReadFileAt(AT_FDCWD, "/proc/self/uid_map", kMapBytesMax));
  if (IsInitialUidMap(map)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("it is root of a user namespace alone (a rootless container?): ", kWhatFor));
}

}  // namespace glovebox

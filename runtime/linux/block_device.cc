#include "linux/block_device.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kFileBytesMax = 4096;
constexpr size_t kWrites = 4;     // of the columns of `stat`
constexpr size_t kDiscards = 11;  // since Linux 4.18

std::optional<uint64_t> Column(const std::vector<absl::string_view>& columns, size_t index) {
  uint64_t number = 0;
  if (index >= columns.size() || !absl::SimpleAtoi(columns[index], &number)) return std::nullopt;
  return number;
}

std::vector<absl::string_view> Columns(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
}

}  // namespace

std::optional<BlockWrites> ParseBlockWrites(absl::string_view stat, absl::string_view inflight) {
  const std::vector<absl::string_view> columns = Columns(stat);
  const std::optional<uint64_t> writes = Column(columns, kWrites);
  const std::optional<uint64_t> discards = Column(columns, kDiscards);
  const std::optional<uint64_t> in_flight = Column(Columns(inflight), 1);
  if (!writes.has_value() || !in_flight.has_value()) return std::nullopt;
  return BlockWrites{*writes + discards.value_or(0), *in_flight};
}

absl::StatusOr<BlockWrites> ReadBlockWrites(dev_t device) {
  const std::string directory =
      absl::StrCat("/sys/dev/block/", ::major(device), ":", ::minor(device));
  ASSIGN_OR_RETURN(const std::string counts,
                   ReadFileAt(AT_FDCWD, absl::StrCat(directory, "/queue/iostats"), kFileBytesMax));
  if (counts != "1\n") {
    return absl::FailedPreconditionError(absl::StrCat(directory, "/queue/iostats is not 1"));
  }
  ASSIGN_OR_RETURN(const std::string stat,
                   ReadFileAt(AT_FDCWD, absl::StrCat(directory, "/stat"), kFileBytesMax));
  ASSIGN_OR_RETURN(const std::string inflight,
                   ReadFileAt(AT_FDCWD, absl::StrCat(directory, "/inflight"), kFileBytesMax));
  const std::optional<BlockWrites> writes = ParseBlockWrites(stat, inflight);
  if (!writes.has_value()) return absl::InternalError(absl::StrCat(directory, "/stat is unknown"));
  return *writes;
}

}  // namespace glovebox

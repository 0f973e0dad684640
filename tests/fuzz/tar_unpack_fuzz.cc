// A tar stream of a hostile sandbox: whatever it says, nothing outside of the target changes.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temporary_directory.h"
#include "tools/glovebox/archive_unpack.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kStreamBytesMax = 1 << 20;

// Besides the target only what was there, as it was.
void CheckOutside(const fs::path& top) {
  size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(top)) {
    const std::string name = entry.path().filename();
    Demand(name == "in" || name == "outside", "nothing is made beside the target");
    ++entries;
  }
  Demand(entries == 2, "nothing beside the target is removed");
  struct stat outside {};
  Demand(::lstat((top / "outside").c_str(), &outside) == 0 && S_ISREG(outside.st_mode) &&
             outside.st_size == 9 && outside.st_nlink == 1 && (outside.st_mode & 07777) == 0640,
         "nothing beside the target is changed");
}

void CheckInside(const fs::path& in) {
  for (const auto& entry : fs::recursive_directory_iterator(in)) {
    const fs::file_status status = entry.symlink_status();
    Demand(fs::is_regular_file(status) || fs::is_directory(status) || fs::is_symlink(status),
           "no device, FIFO or socket is made");
    constexpr auto kSpecial = fs::perms::set_uid | fs::perms::set_gid;
    Demand(fs::is_symlink(status) || (status.permissions() & kSpecial) == fs::perms::none,
           "no setuid bit is kept");
  }
}

}  // namespace

void FuzzTarUnpack(absl::string_view bytes) {
  static const TemporaryDirectory directory;
  const fs::path top(directory.path());
  fs::remove_all(top / "in");
  fs::create_directory(top / "in");
  std::ofstream(top / "outside") << "untouched";
  fs::permissions(top / "outside", static_cast<fs::perms>(0640));

  FuzzInput input(bytes);
  const size_t piece = 1 + input.Byte() * 64;
  const auto next = [&]() -> absl::StatusOr<absl::string_view> { return input.Bytes(piece); };
  const auto target = [&](bool) -> absl::StatusOr<CopyTarget> {
    return CopyTarget{(top / "in").string(), "new"};
  };
  UnpackResult result;
  // A refusal is as good as an end; what was unpacked before stays.
  (void)UnpackTree(next, "d", target, kStreamBytesMax, &result);
  CheckOutside(top);
  CheckInside(top / "in");
}

}  // namespace glovebox

#include "tests/fuzz/unpack_checks.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "tests/fuzz/fuzz_input.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

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
           "no set-id bit is kept");
  }
}

}  // namespace

void PrepareUnpack(const fs::path& top) {
  fs::remove_all(top / "in");
  fs::create_directory(top / "in");
  std::ofstream(top / "outside") << "untouched";
  fs::permissions(top / "outside", static_cast<fs::perms>(0640));
}

void CheckUnpacked(const fs::path& top) {
  CheckOutside(top);
  CheckInside(top / "in");
}

}  // namespace glovebox

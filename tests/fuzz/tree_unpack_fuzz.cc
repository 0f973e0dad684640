// A tar archive that a client names, as glovebox-importer unpacks it: whatever it says, nothing
// outside of the tree changes.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "importer/tar_unpack.h"
#include "linux/file_io.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temporary_directory.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

class InputSource final : public ByteSource {
 public:
  InputSource(FuzzInput* input, size_t piece) : input_(input), piece_(piece) {}
  absl::StatusOr<absl::string_view> Next() override { return input_->Bytes(piece_); }

 private:
  FuzzInput* const input_;
  const size_t piece_;
};

void CheckOutside(const fs::path& top) {
  const auto entries = std::distance(fs::directory_iterator(top), {});
  struct stat outside {};
  Demand(entries == 2 && ::lstat((top / "outside").c_str(), &outside) == 0 &&
             S_ISREG(outside.st_mode) && outside.st_size == 9 && outside.st_nlink == 1 &&
             (outside.st_mode & 07777) == 0640,
         "nothing beside the tree is made, removed or changed");
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

void FuzzTreeUnpack(absl::string_view bytes) {
  static const TemporaryDirectory directory;
  const fs::path top(directory.path());
  fs::remove_all(top / "in");
  fs::create_directory(top / "in");
  std::ofstream(top / "outside") << "untouched";
  fs::permissions(top / "outside", static_cast<fs::perms>(0640));

  FuzzInput input(bytes);
  const uint8_t choices = input.Byte();
  TreePolicy policy;
  policy.follows_links = (choices & 1) != 0;
  policy.replaces_trees = (choices & 2) != 0;
  policy.bytes_max = 1 << 20;
  policy.entries_max = 1000;
  InputSource source(&input, 1 + size_t{choices} * 16);
  auto root = OpenAt(AT_FDCWD, top / "in", O_RDONLY | O_DIRECTORY);
  ProgressReport progress(0);
  TreeWriter writer(*std::move(root), policy, &progress);
  // A refusal is as good as an end; a worker's disk goes with it.
  if (UnpackTar(&source, TarOptions{}, &writer).ok()) (void)writer.Finish();
  CheckOutside(top);
  CheckInside(top / "in");
}

}  // namespace glovebox

// A tar archive that a client names, as glovebox-importer unpacks it: whatever it says, nothing
// outside of the tree changes.
#include <fcntl.h>

#include <filesystem>

#include "importer/tar_unpack.h"
#include "linux/file_io.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/unpack_checks.h"
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

}  // namespace

void FuzzTreeUnpack(absl::string_view bytes) {
  static const TemporaryDirectory directory;
  const fs::path top(directory.path());
  PrepareUnpack(top);

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
  CheckUnpacked(top);
}

}  // namespace glovebox

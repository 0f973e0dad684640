// A tar stream of a hostile sandbox: whatever it says, nothing outside of the target changes.
#include <fcntl.h>

#include <filesystem>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/unpack_checks.h"
#include "tests/support/temporary_directory.h"
#include "tools/glovebox/archive_unpack.h"

namespace glovebox {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kStreamBytesMax = 1 << 20;

}  // namespace

void FuzzTarUnpack(absl::string_view bytes) {
  static const TemporaryDirectory directory;
  const fs::path top(directory.path());
  PrepareUnpack(top);

  FuzzInput input(bytes);
  const size_t piece = 1 + input.Byte() * 64;
  const auto next = [&]() -> absl::StatusOr<absl::string_view> { return input.Bytes(piece); };
  const auto target = [&](bool) -> absl::StatusOr<CopyTarget> {
    return CopyTarget{(top / "in").string(), "new"};
  };
  UnpackResult result;
  // A refusal is as good as an end; what was unpacked before stays.
  (void)UnpackTree(next, "d", target, kStreamBytesMax, &result);
  CheckUnpacked(top);
}

}  // namespace glovebox

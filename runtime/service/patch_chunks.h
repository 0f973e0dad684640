// A patch cut into messages, and its digest.
#ifndef GLOVEBOX_SERVICE_PATCH_CHUNKS_H_
#define GLOVEBOX_SERVICE_PATCH_CHUNKS_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/sha256.h"

namespace glovebox {

// Not thread-safe.
class PatchChunks {
 public:
  static constexpr size_t kChunkBytes = 64 * 1024;
  using Send = std::function<absl::Status(std::string)>;

  explicit PatchChunks(Send send) : send_(std::move(send)) {}

  // Sends every full chunk; the first error of `send` is returned.
  absl::Status Add(absl::string_view piece);
  // Sends the rest; "sha256:..." of everything.
  absl::StatusOr<std::string> Finish();

 private:
  absl::Status SendPending();

  const Send send_;
  Sha256 digest_;
  std::string pending_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_PATCH_CHUNKS_H_

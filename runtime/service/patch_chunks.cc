#include "service/patch_chunks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {

absl::Status PatchChunks::SendPending() {
  digest_.Update(pending_);
  return send_(std::exchange(pending_, {}));
}

absl::Status PatchChunks::Add(absl::string_view piece) {
  while (!piece.empty()) {
    const size_t size = std::min(piece.size(), kChunkBytes - pending_.size());
    pending_.append(piece.data(), size);
    piece.remove_prefix(size);
    if (pending_.size() == kChunkBytes) RETURN_IF_ERROR(SendPending());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> PatchChunks::Finish() {
  if (!pending_.empty()) RETURN_IF_ERROR(SendPending());
  return absl::StrCat("sha256:", digest_.FinishHex());
}

}  // namespace glovebox

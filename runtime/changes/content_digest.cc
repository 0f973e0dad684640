#include "changes/content_digest.h"

#include <sys/stat.h>

#include <vector>

#include "absl/strings/string_view.h"
#include "base/sha256.h"
#include "base/status.h"
#include "changes/change.h"
#include "changes/layer_view.h"
#include "linux/open_beneath.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;

}  // namespace

absl::StatusOr<ContentDigest> DigestContent(int root_fd, const std::string& path, Allowance& bytes,
                                            const TimeAllowance& time) {
  ASSIGN_OR_RETURN(const OpenedFile pinned, PinBeneath(root_fd, path));
  ContentDigest digest;
  Sha256 sha256;
  if (S_ISLNK(pinned.stat.st_mode)) {
    ASSIGN_OR_RETURN(const std::string target, ReadPinnedLink(pinned));
    RETURN_IF_ERROR(bytes.Take(target.size(), path));
    sha256.Update(target);
    digest.mode = kModeSymlink;
    digest.size_bytes = target.size();
    digest.sha256 = sha256.FinishHex();
    return digest;
  }
  ASSIGN_OR_RETURN(const OpenedFile file, OpenRegularBeneath(root_fd, path));
  RETURN_IF_ERROR(RefuseMetacopy(file.fd.get()));
  digest.mode = (file.stat.st_mode & S_IXUSR) != 0 ? kModeExecutable : kModeFile;
  std::vector<char> piece(
      std::min<uint64_t>(kPieceBytes, static_cast<uint64_t>(file.stat.st_size) + 1));
  for (;;) {
    RETURN_IF_ERROR(time.Check(path));
    ASSIGN_OR_RETURN(const size_t got,
                     ReadAt(file.fd.get(), digest.size_bytes, piece.data(), piece.size()));
    RETURN_IF_ERROR(bytes.Take(got, path));
    sha256.Update({piece.data(), got});
    digest.size_bytes += got;
    if (got < piece.size()) break;
  }
  digest.sha256 = sha256.FinishHex();
  return digest;
}

}  // namespace glovebox

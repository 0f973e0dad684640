#include "changes/content.h"

#include <fcntl.h>
#include <sys/fsuid.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = 128 * 1024;
constexpr size_t kBinaryBytes = 8'000;  // git's rule

int64_t Nanos(const struct timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Takes a lease for reading and gives it back at once; whoever opens the file in between waits for
// that long. 0, or the errno.
int TryLease(int fd) {
  // Who breaks a lease sends a signal, by default one that ends the process; this one is ignored.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) return errno;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno;
  (void)::fcntl(fd, F_SETLEASE, F_UNLCK);  // it is held; else it goes with the descriptor
  return 0;
}

// Whether somebody may have the file open for writing: a lease for reading is refused then.
bool MayHaveWriter(const OpenedFile& file) {
  const int error = TryLease(file.fd.get());
  if (error != EACCES) return error != 0;
  // Without CAP_LEASE, which the daemon does not keep, leases are the owner's. Of this thread only.
  const auto own = static_cast<uid_t>(::setfsuid(file.stat.st_uid));
  const int as_owner = TryLease(file.fd.get());
  (void)::setfsuid(own);  // what it was before is always allowed
  return as_owner != 0;
}

}  // namespace

Fingerprint FingerprintOf(const struct stat& stat) {
  return {stat.st_ino, Nanos(stat.st_ctim), Nanos(stat.st_mtim),
          static_cast<uint64_t>(stat.st_size)};
}

bool Content::IsSameAs(const Content& other) const {
  if (hashed && other.hashed) return sha256 == other.sha256;
  return settled && other.settled && fingerprint == other.fingerprint;
}

std::string DigestText(const std::array<uint8_t, 32>& sha256) {
  return absl::StrCat("sha256:", absl::BytesToHexString(absl::string_view(
                                     reinterpret_cast<const char*>(sha256.data()), sha256.size())));
}

Content BeginContent(const OpenedFile& file, absl::Time now) {
  Content content;
  content.fingerprint = FingerprintOf(file.stat);
  const bool racy = content.fingerprint.ctime_ns >= absl::ToUnixNanos(now - kRacyTime);
  content.settled = !racy && !MayHaveWriter(file);
  return content;
}

void FinishContent(const OpenedFile& file, Content* content) {
  struct stat stat {};
  if (::fstat(file.fd.get(), &stat) != 0 || FingerprintOf(stat) != content->fingerprint) {
    content->settled = false;
  }
}

absl::Status HashContent(const OpenedFile& file, Content* content, uint64_t* bytes_read) {
  if (content->fingerprint.size_bytes > kHashedBytesMax) return absl::OkStatus();
  Sha256 sha256;
  const size_t piece =
      std::min<size_t>(kPieceBytes, static_cast<size_t>(content->fingerprint.size_bytes) + 1);
  std::vector<char> bytes(piece);
  bool binary = false;
  for (uint64_t offset = 0;;) {
    ASSIGN_OR_RETURN(const size_t got, ReadAt(file.fd.get(), offset, bytes.data(), piece));
    *bytes_read += got;
    if (offset < kBinaryBytes) {
      const size_t looked_at = std::min<size_t>(got, kBinaryBytes - offset);
      binary = binary || std::memchr(bytes.data(), '\0', looked_at) != nullptr;
    }
    sha256.Update({bytes.data(), got});
    offset += got;
    if (got < piece) break;
    if (offset > kHashedBytesMax) return absl::OkStatus();  // it grows while it is read
  }
  content->sha256 = sha256.Finish();
  content->hashed = true;
  content->binary = binary;
  return absl::OkStatus();
}

}  // namespace glovebox

// What is known of the bytes of one regular file in an upper, so that a later scan need not read
// them again.
#ifndef GLOVEBOX_CHANGES_CONTENT_H_
#define GLOVEBOX_CHANGES_CONTENT_H_

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "linux/open_beneath.h"

namespace glovebox {

// A file with more bytes is not hashed: its fingerprint stands for its content.
inline constexpr uint64_t kHashedBytesMax = uint64_t{64} << 20;

// Any write gives a file another ctime, and nothing but the kernel sets it.
struct Fingerprint {
  uint64_t inode = 0;
  int64_t ctime_ns = 0;
  int64_t mtime_ns = 0;
  uint64_t size_bytes = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};
Fingerprint FingerprintOf(const struct stat& stat);

struct Content {
  Fingerprint fingerprint;
  // Whoever wrote to it since has changed its fingerprint. Not so while somebody has it open for
  // writing (a page that is mapped and dirty takes further writes without another ctime), nor when
  // the ctime is so young that the next write may get the same (as with git's index).
  bool settled = false;
  bool hashed = false;
  bool binary = false;  // a NUL in the first 8,000 bytes; known when hashed
  std::array<uint8_t, 32> sha256 = {};
  std::optional<bool> same_as_base;  // when it was compared

  // False as well when it cannot be told.
  bool IsSameAs(const Content& other) const;
};

// "sha256:" and 64 digits.
std::string DigestText(const std::array<uint8_t, 32>& sha256);

// The kernel's clock for ctime ticks every 10 ms at the slowest; twice that, to be sure.
inline constexpr absl::Duration kRacyTime = absl::Milliseconds(20);

// Of an open file, first half: what holds if the file stays as it is while it is read.
// `now`: the wall clock, read before this.
Content BeginContent(const OpenedFile& file, absl::Time now);
// Second half, after the last read: not settled if the file changed in between.
void FinishContent(const OpenedFile& file, Content* content);

// Reads the whole file and fills hash and binary; neither when it has more than kHashedBytesMax.
// Adds what it read to `bytes_read`.
absl::Status HashContent(const OpenedFile& file, Content* content, uint64_t* bytes_read);

// What the scan asks before it reads a file, and tells after. One thread.
class ContentBook {
 public:
  virtual ~ContentBook() = default;
  // What is known of the file at `path` if it is settled and has this fingerprint, else null.
  virtual const Content* Find(const std::string& path, const Fingerprint& fingerprint) = 0;
  // Of a file that was looked at now, known or not.
  virtual void Put(const std::string& path, const Content& content) = 0;
  // What was put last at `path`, or null.
  virtual const Content* Latest(const std::string& path) const = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_CONTENT_H_

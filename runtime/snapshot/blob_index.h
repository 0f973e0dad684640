// Which blobs each owner has, when each was mentioned, and what they take: in memory. The store
// (blob_store.h) does what it says to the files.
#ifndef GLOVEBOX_SNAPSHOT_BLOB_INDEX_H_
#define GLOVEBOX_SNAPSHOT_BLOB_INDEX_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "snapshot/blob_digest.h"
#include "snapshot/blob_limits.h"

namespace glovebox {

// Not thread-safe. Owners are keys that the caller chose.
class BlobIndex {
 public:
  // Whoever is told removes the file.
  using Remover = absl::FunctionRef<void(const std::string& owner, const BlobDigest& digest)>;

  // What was mentioned before `now` minus `kept` may go.
  BlobIndex(const BlobLimits& limits, absl::Duration kept) : limits_(limits), kept_(kept) {}

  bool Has(const std::string& owner, const BlobDigest& digest) const;
  // Mentions it. The time that it had before; nothing when it is not there.
  std::optional<absl::Time> Mention(const std::string& owner, const BlobDigest& digest,
                                    absl::Time now);

  // Room for one more, for which stale ones may go. RESOURCE_EXHAUSTED with reason
  // IMPORT_TOO_LARGE, CLIENT_QUOTA or STORE_FULL.
  absl::Status Reserve(const std::string& owner, uint64_t bytes, absl::Time now, Remover remove);
  void GiveBack(const std::string& owner, uint64_t bytes);
  // Whatever the limits are: what is on disk already.
  void Take(const std::string& owner, uint64_t bytes);

  // A blob in reserved room. False: it is there already; the room is given back then.
  bool Add(const std::string& owner, const BlobDigest& digest, absl::Time mentioned);
  // Gives its room back. False: it is not there.
  bool Remove(const std::string& owner, const BlobDigest& digest);

  void Hold(const std::string& owner);
  void Release(const std::string& owner);

  // Removes all that is stale and not held. `remove` may only look.
  void RemoveStale(absl::Time now, Remover remove);
  void EachStale(absl::Time now, Remover look) const;

  std::vector<std::string> owners() const;
  std::vector<BlobDigest> BlobsOf(const std::string& owner) const;
  uint64_t bytes() const { return bytes_; }

 private:
  // Half the memory of the text.
  using Key = std::pair<std::array<char, 32>, uint64_t>;
  struct Owner {
    std::map<Key, absl::Time> blobs;
    uint64_t bytes = 0;  // with what is reserved
    uint64_t count = 0;
    int holds = 0;
    absl::Time oldest = absl::InfinitePast();  // none was mentioned before
  };

  static Key KeyOf(const BlobDigest& digest);
  static BlobDigest DigestOf(const Key& key);
  bool FitsAll(uint64_t bytes) const;
  bool Fits(const Owner& owner, uint64_t bytes) const;
  void RemoveStaleOf(const std::string& name, Owner* owner, absl::Time now, Remover remove);
  void ForgetIfEmpty(std::map<std::string, Owner>::iterator owner);

  const BlobLimits limits_;
  const absl::Duration kept_;
  std::map<std::string, Owner> owners_;
  uint64_t bytes_ = 0;
  uint64_t count_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_BLOB_INDEX_H_

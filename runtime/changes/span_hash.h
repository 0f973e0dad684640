// How alike two files are, as git measures it (diffcore-delta.c): content is cut into lines, or
// pieces of 64 bytes, and what the old file has of the new one's pieces is counted.
#ifndef GLOVEBOX_CHANGES_SPAN_HASH_H_
#define GLOVEBOX_CHANGES_SPAN_HASH_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace glovebox {

// git's scale: all of it.
inline constexpr uint64_t kSimilarityMax = 60'000;

// The pieces of one file. Takes any bytes; at most as many entries as git has buckets (107,927).
class SpanHashes {
 public:
  SpanHashes() = default;
  explicit SpanHashes(absl::string_view content);

  size_t size() const { return spans_.size(); }
  // Bytes of this file's pieces that `other` has, too.
  uint64_t BytesAlsoIn(const SpanHashes& other) const;

 private:
  struct Span {
    uint32_t hash = 0;
    uint32_t bytes = 0;
  };
  std::vector<Span> spans_;  // by hash, one each
};

// 0..kSimilarityMax; 0 when the sizes alone say that it is below `least`. `old_bytes` and
// `new_bytes` are the files' sizes.
uint64_t Similarity(const SpanHashes& old_file, uint64_t old_bytes, const SpanHashes& new_file,
                    uint64_t new_bytes, uint64_t least);

// Whether Similarity can reach `least`.
bool MayBeSimilar(uint64_t old_bytes, uint64_t new_bytes, uint64_t least);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_SPAN_HASH_H_

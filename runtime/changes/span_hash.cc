#include "changes/span_hash.h"

#include <algorithm>

#include "changes/text_hunks.h"

namespace glovebox {
namespace {

constexpr uint32_t kBuckets = 107'927;
constexpr uint32_t kSpanBytesMax = 64;

}  // namespace

SpanHashes::SpanHashes(absl::string_view content) {
  const bool is_text = !LooksBinary(content);
  uint32_t accum1 = 0;
  uint32_t accum2 = 0;
  uint32_t bytes = 0;
  const auto end_span = [&] {
    if (bytes > 0) spans_.push_back({(accum1 + accum2 * 0x61) % kBuckets, bytes});
    accum1 = accum2 = bytes = 0;
  };
  for (size_t i = 0; i < content.size(); ++i) {
    const auto byte = static_cast<unsigned char>(content[i]);
    // A line end of two bytes counts as one.
    if (is_text && byte == '\r' && i + 1 < content.size() && content[i + 1] == '\n') continue;
    const uint32_t before = accum1;
    accum1 = (accum1 << 7) ^ (accum2 >> 25);
    accum2 = (accum2 << 7) ^ (before >> 25);
    accum1 += byte;
    if (++bytes == kSpanBytesMax || byte == '\n') end_span();
  }
  end_span();
  std::sort(spans_.begin(), spans_.end(),
            [](const Span& a, const Span& b) { return a.hash < b.hash; });
  size_t kept = 0;
  for (const Span& span : spans_) {
    if (kept > 0 && spans_[kept - 1].hash == span.hash) {
      spans_[kept - 1].bytes += span.bytes;
    } else {
      spans_[kept++] = span;
    }
  }
  spans_.resize(kept);
  spans_.shrink_to_fit();
}

uint64_t SpanHashes::BytesAlsoIn(const SpanHashes& other) const {
  uint64_t common = 0;
  auto theirs = other.spans_.begin();
  for (const Span& span : spans_) {
    while (theirs != other.spans_.end() && theirs->hash < span.hash) ++theirs;
    if (theirs == other.spans_.end()) break;
    if (theirs->hash == span.hash) common += std::min(span.bytes, theirs->bytes);
  }
  return common;
}

bool MayBeSimilar(uint64_t old_bytes, uint64_t new_bytes, uint64_t least) {
  const uint64_t larger = std::max(old_bytes, new_bytes);
  const uint64_t delta = larger - std::min(old_bytes, new_bytes);
  return larger > 0 && larger * (kSimilarityMax - least) >= delta * kSimilarityMax;
}

uint64_t Similarity(const SpanHashes& old_file, uint64_t old_bytes, const SpanHashes& new_file,
                    uint64_t new_bytes, uint64_t least) {
  if (!MayBeSimilar(old_bytes, new_bytes, least)) return 0;
  return old_file.BytesAlsoIn(new_file) * kSimilarityMax / std::max(old_bytes, new_bytes);
}

}  // namespace glovebox

// What a hostile init can write into the memory of an exec: the whole header's words and the
// records are the input.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "exec/output_region.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

constexpr uint64_t kHeadBytes = 4096;
constexpr uint64_t kRingBytes = 64 * 1024;
constexpr uint64_t kStderrRingBytes = 64 * 1024;

// The input: head_used, head_closed, head and tail of either ring (8 bytes each), then bytes for
// the head and for both rings, half and half.
struct Words {
  uint64_t head_used, head_closed, ring_head[2], ring_tail[2];
};

}  // namespace

void FuzzOutputRegion(absl::string_view input) {
  Words words{};
  if (input.size() < sizeof words) return;
  std::memcpy(&words, input.data(), sizeof words);
  const char* data = input.data() + sizeof words;
  const size_t size = input.size() - sizeof words;

  ExecSpec spec;
  spec.arguments = {"x"};
  spec.head_bytes = kHeadBytes;
  spec.ring_bytes = kRingBytes;
  spec.stderr_ring_bytes = kStderrRingBytes;
  auto region = OutputRegion::Create(spec);
  Demand(region.ok(), "the test can make a region");
  auto mapping = SharedMapping::Map(region->fd(), 4096);
  auto* header = reinterpret_cast<RegionHeader*>(mapping->data());
  const uint64_t head_offset = header->head_offset;
  auto whole = SharedMapping::Map(region->fd(), header->region_size);
  const size_t half = size / 2;
  std::memcpy(whole->data() + head_offset, data, std::min<size_t>(half, kHeadBytes));
  std::memcpy(whole->data() + head_offset + kHeadBytes, data + half,
              std::min<size_t>(size - half, kRingBytes));
  // The other ring gets the same bytes from the middle on.
  const size_t quarter = half + (size - half) / 2;
  std::memcpy(whole->data() + head_offset + kHeadBytes + kRingBytes, data + quarter,
              std::min<size_t>(size - quarter, kStderrRingBytes));
  header->head_used = words.head_used;
  header->head_closed = static_cast<uint32_t>(words.head_closed);
  for (uint32_t i = 0; i < kRings; ++i) {
    header->ring[i].head = words.ring_head[i];
    header->ring[i].tail = words.ring_tail[i];
  }

  OutputRegion::Cursor cursor;
  std::string output;
  uint64_t last = 0;
  for (int i = 0; i < 20'000; ++i) {
    output.clear();
    const OutputRegion::Record record = region->Next(&cursor, &output);
    Demand(output.size() <= kRecordDataMax, "records are bounded");
    if (record.kind == OutputRegion::Record::Kind::kNone ||
        record.kind == OutputRegion::Record::Kind::kCorrupt) {
      break;
    }
    Demand(record.sequence > last, "sequence numbers rise");
    last = std::max(record.sequence, record.sequence_to);
  }
}

}  // namespace glovebox

#include "exec/output_record.h"

namespace glovebox {

uint64_t RecordSpan(const RecordHeader& record) {
  return sizeof(RecordHeader) + (uint64_t{record.size} + 7) / 8 * 8;
}

OutputRecord AcceptRecord(const RecordHeader& record, OutputPosition* position) {
  // No command writes so much: larger counts are lies, and would wrap.
  constexpr uint64_t kCountMax = uint64_t{1} << 62;
  if (record.sequence > kCountMax || record.bytes_before > kCountMax ||
      record.sequence < position->next_sequence || record.bytes_before < position->bytes_seen ||
      record.stream == OutputStream::kPad || record.stream > OutputStream::kCommandEnded) {
    return {.kind = OutputRecord::Kind::kCorrupt};
  }
  if (record.sequence > position->next_sequence) {
    OutputRecord gap{.kind = OutputRecord::Kind::kGap};
    gap.sequence = position->next_sequence;
    gap.sequence_to = record.sequence - 1;
    gap.gap_bytes = record.bytes_before - position->bytes_seen;
    gap.monotonic_ns = record.monotonic_ns;
    position->next_sequence = record.sequence;
    position->bytes_seen = record.bytes_before;
    return gap;
  }
  position->next_sequence = record.sequence + 1;
  position->bytes_seen = record.bytes_before + record.size;
  return {.kind = OutputRecord::Kind::kData,
          .stream = record.stream,
          .sequence = record.sequence,
          .monotonic_ns = record.monotonic_ns};
}

}  // namespace glovebox

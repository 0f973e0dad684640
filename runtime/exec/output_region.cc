#include "exec/output_region.h"

#include <cstring>
#include <new>

#include "base/status.h"
#include "init/exec_region.h"

namespace glovebox {
namespace {

// A hostile writer could move the tail for ever; a reader gives up after so many tries and says so.
constexpr int kTriesMax = 1000;

constexpr uint64_t Align(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

uint64_t RecordSpan(const RecordHeader& record) {
  return sizeof(RecordHeader) + Align(record.size, 8);
}

void AppendText(std::string* out, const std::string& text) {
  out->append(text);
  out->push_back('\0');
}

std::string EncodeSpec(const ExecSpec& spec) {
  ExecSpecWire wire{};
  wire.argument_count = static_cast<uint32_t>(spec.arguments.size());
  wire.variable_count = static_cast<uint32_t>(spec.environment.size());
  wire.stdin_mode = spec.stdin_open ? StdinMode::kPipe : StdinMode::kNull;
  wire.output_policy = spec.output_policy;
  wire.terminal = spec.terminal.has_value() ? 1 : 0;
  const TerminalSize size = spec.terminal.value_or(TerminalSize{});
  wire.rows = size.rows;
  wire.columns = size.columns;
  wire.wall_limit_ms = spec.wall_limit_ms;
  wire.idle_limit_ms = spec.idle_limit_ms;
  wire.term_grace_ms = spec.term_grace_ms;
  wire.drain_limit_ms = spec.drain_limit_ms;
  wire.keep_survivors = spec.keep_survivors ? 1 : 0;
  wire.replace_environment = spec.replace_environment ? 1 : 0;
  wire.output_bytes_max = spec.output_bytes_max;
  std::string bytes(sizeof wire, '\0');
  AppendText(&bytes, spec.user);
  AppendText(&bytes, spec.working_directory);
  for (const std::string& argument : spec.arguments) AppendText(&bytes, argument);
  for (const std::string& variable : spec.environment) AppendText(&bytes, variable);
  wire.size = static_cast<uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &wire, sizeof wire);
  return bytes;
}

}  // namespace

OutputRegion::OutputRegion(UniqueFd fd, SharedMapping mapping, uint64_t head_offset,
                           uint64_t head_size, uint64_t ring_offset, uint64_t ring_size)
    : fd_(std::move(fd)),
      mapping_(std::move(mapping)),
      head_offset_(head_offset),
      head_size_(head_size),
      ring_offset_(ring_offset),
      ring_size_(ring_size) {}

absl::StatusOr<OutputRegion> OutputRegion::Create(const ExecSpec& spec) {
  RETURN_IF_ERROR(ValidateExecSpec(spec));
  const std::string wire = EncodeSpec(spec);
  const uint64_t head_offset = Align(kRegionHeaderBytes + wire.size(), 64);
  const uint64_t ring_offset = head_offset + spec.head_bytes;
  const uint64_t size = Align(ring_offset + spec.ring_bytes, 4096);
  ASSIGN_OR_RETURN(UniqueFd fd, MakeFixedSizeMemfd("glovebox-exec", size));
  ASSIGN_OR_RETURN(SharedMapping mapping, SharedMapping::Map(fd.get(), size));
  auto* header = new (mapping.data()) RegionHeader{};
  header->magic = kRegionMagic;
  header->version = kRegionVersion;
  header->region_size = size;
  header->spec_offset = kRegionHeaderBytes;
  header->spec_size = wire.size();
  header->head_offset = head_offset;
  header->head_size = spec.head_bytes;
  header->ring_offset = ring_offset;
  header->ring_size = spec.ring_bytes;
  header->gate_armed = spec.output_policy == OutputPolicy::kBackPressure ? 1 : 0;
  std::memcpy(mapping.data() + kRegionHeaderBytes, wire.data(), wire.size());
  return OutputRegion(std::move(fd), std::move(mapping), head_offset, spec.head_bytes, ring_offset,
                      spec.ring_bytes);
}

RegionHeader* OutputRegion::header() const {
  return reinterpret_cast<RegionHeader*>(mapping_.data());
}

OutputRegion::Record OutputRegion::Accept(const RecordHeader& record, Cursor* cursor) const {
  // No command writes so much: larger counts are lies, and would wrap.
  constexpr uint64_t kCountMax = uint64_t{1} << 62;
  if (record.sequence > kCountMax || record.bytes_before > kCountMax ||
      record.sequence < cursor->next_sequence || record.bytes_before < cursor->bytes_seen ||
      record.stream > OutputStream::kTerminal) {
    return {.kind = Record::Kind::kCorrupt};
  }
  if (record.sequence > cursor->next_sequence) {
    Record gap{.kind = Record::Kind::kGap};
    gap.sequence = cursor->next_sequence;
    gap.sequence_to = record.sequence - 1;
    gap.gap_bytes = record.bytes_before - cursor->bytes_seen;
    gap.monotonic_ns = record.monotonic_ns;
    cursor->next_sequence = record.sequence;
    cursor->bytes_seen = record.bytes_before;
    return gap;
  }
  cursor->next_sequence = record.sequence + 1;
  cursor->bytes_seen = record.bytes_before + record.size;
  return {.kind = Record::Kind::kData,
          .stream = record.stream,
          .sequence = record.sequence,
          .monotonic_ns = record.monotonic_ns};
}

OutputRegion::Record OutputRegion::TakeHead(Cursor* cursor, std::string* data) const {
  // Closed is loaded first: it is stored after the last record of the head.
  const bool closed = header()->head_closed.load(std::memory_order_acquire) != 0;
  const uint64_t used = header()->head_used.load(std::memory_order_acquire);
  if (used > head_size_ || cursor->head_offset > used) return {.kind = Record::Kind::kCorrupt};
  if (cursor->head_offset == used) {
    if (!closed) return {};
    cursor->ring_position = 0;
    return TakeRing(cursor, data);
  }
  RecordHeader record;
  if (used - cursor->head_offset < sizeof record) return {.kind = Record::Kind::kCorrupt};
  const char* at = mapping_.data() + head_offset_ + cursor->head_offset;
  std::memcpy(&record, at, sizeof record);
  if (record.size > kRecordDataMax || RecordSpan(record) > used - cursor->head_offset) {
    return {.kind = Record::Kind::kCorrupt};
  }
  Record accepted = Accept(record, cursor);
  if (accepted.kind != Record::Kind::kData) return accepted;
  data->append(at + sizeof record, record.size);
  cursor->head_offset += RecordSpan(record);
  return accepted;
}

OutputRegion::Record OutputRegion::TakeRing(Cursor* cursor, std::string* data) const {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const uint64_t ring_head = header()->ring_head.load(std::memory_order_acquire);
    const uint64_t ring_tail = header()->ring_tail.load(std::memory_order_acquire);
    if (ring_tail > ring_head || ring_head - ring_tail > ring_size_) continue;
    uint64_t position = *cursor->ring_position;
    if (position < ring_tail) position = ring_tail;
    if (position > ring_head) return {.kind = Record::Kind::kCorrupt};
    cursor->ring_position = position;
    if (position == ring_head) return {};
    const uint64_t offset = position % ring_size_;
    const uint64_t contiguous = ring_size_ - offset;
    if (contiguous < sizeof(RecordHeader)) {
      cursor->ring_position = position + contiguous;
      continue;
    }
    RecordHeader record;
    const char* at = mapping_.data() + ring_offset_ + offset;
    std::memcpy(&record, at, sizeof record);
    const bool fits = record.size <= kRecordDataMax && RecordSpan(record) <= contiguous &&
                      RecordSpan(record) <= ring_head - position;
    const size_t kept = data->size();
    if (fits) data->append(at + sizeof record, record.size);
    // Was any of it overwritten while it was copied? (seqlock: the copy happens before this load)
    std::atomic_thread_fence(std::memory_order_acquire);
    if (header()->ring_tail.load(std::memory_order_acquire) > position) {
      data->resize(kept);
      continue;
    }
    if (!fits) return {.kind = Record::Kind::kCorrupt};
    if (record.stream == OutputStream::kPad) {
      data->resize(kept);
      cursor->ring_position = position + RecordSpan(record);
      continue;
    }
    Record accepted = Accept(record, cursor);
    if (accepted.kind == Record::Kind::kData) {
      cursor->ring_position = position + RecordSpan(record);
    } else {
      data->resize(kept);
    }
    return accepted;
  }
  return {.kind = Record::Kind::kCorrupt};
}

OutputRegion::Record OutputRegion::Next(Cursor* cursor, std::string* data) const {
  return cursor->ring_position.has_value() ? TakeRing(cursor, data) : TakeHead(cursor, data);
}

void OutputRegion::Seek(Cursor* cursor, uint64_t sequence) const {
  std::string ignored;
  while (cursor->next_sequence < sequence) {
    const Cursor before = *cursor;
    ignored.clear();
    const Record record = Next(cursor, &ignored);
    if (record.kind == Record::Kind::kData) continue;
    if (record.kind == Record::Kind::kGap) {
      // A wanted record is among the missing ones: stand before the gap, so that the reader is told
      // of it.
      if (record.sequence_to >= sequence) {
        const uint64_t skipped = sequence - before.next_sequence;
        *cursor = before;
        cursor->next_sequence += skipped;
        return;
      }
      continue;
    }
    return;
  }
}

bool OutputRegion::ArmWakeUp(const Cursor& cursor) {
  header()->reader_waiting.store(1, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (cursor.ring_position.has_value()) {
    return header()->ring_head.load(std::memory_order_acquire) > *cursor.ring_position;
  }
  return header()->head_closed.load(std::memory_order_acquire) != 0 ||
         header()->head_used.load(std::memory_order_acquire) > cursor.head_offset;
}

bool OutputRegion::MoveGate(uint64_t position) {
  header()->gate_position.store(position, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return header()->writer_waiting.load(std::memory_order_acquire) != 0;
}

bool OutputRegion::OpenGate() {
  header()->gate_armed.store(0, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return header()->writer_waiting.load(std::memory_order_acquire) != 0;
}

uint64_t OutputRegion::last_sequence() const {
  return header()->last_sequence.load(std::memory_order_acquire);
}

bool OutputRegion::ended() const { return header()->ended.load(std::memory_order_acquire) != 0; }

}  // namespace glovebox

#include "exec/output_region.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "exec/shell_program.h"
#include "init/exec_region.h"

namespace glovebox {
namespace {

// A hostile writer could move the tail for ever; a reader gives up after so many tries and says so.
constexpr int kTriesMax = 1000;
// More than any spec asks for (policy/exec_limits.h).
constexpr uint64_t kRegionBytesMax = uint64_t{1} << 30;
constexpr uint64_t kRingBytesMin = 4096;

constexpr uint64_t Align(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

void AppendText(std::string* out, const std::string& text) {
  out->append(text);
  out->push_back('\0');
}

std::string EncodeSpec(const ExecSpec& spec) {
  ExecSpecWire wire{};
  const std::vector<std::string> arguments = spec.shell ? ShellArguments() : spec.arguments;
  wire.argument_count = static_cast<uint32_t>(arguments.size());
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
  wire.hold_limit_ms = spec.hold_limit_ms;
  wire.full_log_bytes = spec.full_log_bytes;
  wire.shell = spec.shell ? 1 : 0;
  std::string bytes(sizeof wire, '\0');
  AppendText(&bytes, spec.user);
  AppendText(&bytes, spec.working_directory);
  for (const std::string& argument : arguments) AppendText(&bytes, argument);
  for (const std::string& variable : spec.environment) AppendText(&bytes, variable);
  wire.size = static_cast<uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &wire, sizeof wire);
  return bytes;
}

absl::Status RefuseRegion(absl::string_view why) {
  return DetailedError(absl::StatusCode::kDataLoss,
                       absl::StrCat("the output memory that the sandbox's init handed back is "
                                    "refused: ",
                                    why),
                       {"REGION_REFUSED", {}});
}

// A mapping of anything but sealed shared memory could end this process with SIGBUS (a file that
// shrinks, huge pages that are not there), or block it (a file system that answers when it likes).
absl::StatusOr<uint64_t> CheckedMemfdSize(int fd) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return RefuseRegion("it is no memfd");
  if ((seals & kSeals) != kSeals) return RefuseRegion("it is not sealed");
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0 || system.f_type != TMPFS_MAGIC) {
    return RefuseRegion("it is not of the memory file system");
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return RefuseRegion("it is no file");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < kRegionHeaderBytes || size > kRegionBytesMax) {
    return RefuseRegion(absl::StrCat("it has ", size, " bytes"));
  }
  return size;
}

struct HeaderCopy {
  uint32_t magic, version;
  uint64_t region_size, spec_offset, spec_size, head_offset, head_size;
  RingPlace rings[kRings];
};

HeaderCopy CopyHeader(const volatile RegionHeader& header) {
  HeaderCopy copy{header.magic,     header.version,     header.region_size, header.spec_offset,
                  header.spec_size, header.head_offset, header.head_size,   {}};
  for (uint32_t i = 0; i < kRings; ++i) {
    copy.rings[i] = {header.rings[i].offset, header.rings[i].size};
  }
  return copy;
}

// [offset, offset + size) lies in [from, limit].
bool Fits(uint64_t from, uint64_t offset, uint64_t size, uint64_t limit) {
  return offset >= from && offset <= limit && size <= limit - offset;
}

// As init checks what it is given (init/region_writer.cc).
bool LayoutFits(const HeaderCopy& layout, uint64_t size) {
  const RingPlace& out = layout.rings[0];
  const RingPlace& error = layout.rings[1];
  return layout.magic == kRegionMagic && layout.version == kRegionVersion &&
         layout.region_size == size && layout.spec_size <= kSpecBytesMax &&
         Fits(kRegionHeaderBytes, layout.spec_offset, layout.spec_size, size) &&
         Fits(layout.spec_offset + layout.spec_size, layout.head_offset, layout.head_size, size) &&
         Fits(layout.head_offset + layout.head_size, out.offset, out.size, size) &&
         Fits(out.offset + out.size, error.offset, error.size, size) &&
         (layout.head_offset | layout.head_size | out.offset | out.size | error.offset |
          error.size) %
                 8 ==
             0 &&
         out.size >= kRingBytesMin && (error.size == 0 || error.size >= kRingBytesMin);
}

}  // namespace

OutputRegion::OutputRegion(UniqueFd fd, SharedMapping mapping, const Layout& layout)
    : fd_(std::move(fd)), mapping_(std::move(mapping)), layout_(layout) {}

OutputRegion::Layout OutputRegion::LayoutOf(const ExecSpec& spec, uint64_t used_bytes) {
  Layout layout;
  layout.head_offset = Align(used_bytes, 64);
  layout.head_size = spec.head_bytes;
  layout.rings[0] = {layout.head_offset + layout.head_size, spec.ring_bytes};
  // A terminal has one stream.
  layout.rings[1] = {layout.rings[0].offset + layout.rings[0].size,
                     spec.terminal.has_value() ? 0 : spec.stderr_ring_bytes};
  return layout;
}

uint64_t OutputRegion::BytesFor(const ExecSpec& spec) {
  const Layout layout = LayoutOf(spec, kRegionHeaderBytes);
  return layout.rings[1].offset + layout.rings[1].size;
}

absl::StatusOr<OutputRegion> OutputRegion::Create(const ExecSpec& spec, absl::string_view record) {
  RETURN_IF_ERROR(ValidateExecSpec(spec));
  const std::string wire = EncodeSpec(spec);
  const uint64_t record_offset = kRegionHeaderBytes + wire.size();
  const Layout layout = LayoutOf(spec, record_offset + record.size());
  const uint64_t size = Align(layout.rings[1].offset + layout.rings[1].size, 4096);
  ASSIGN_OR_RETURN(UniqueFd fd, MakeFixedSizeMemfd("glovebox-exec", size));
  ASSIGN_OR_RETURN(SharedMapping mapping, SharedMapping::Map(fd.get(), size));
  auto* header = new (mapping.data()) RegionHeader{};
  header->magic = kRegionMagic;
  header->version = kRegionVersion;
  header->region_size = size;
  header->spec_offset = kRegionHeaderBytes;
  header->spec_size = wire.size();
  header->head_offset = layout.head_offset;
  header->head_size = layout.head_size;
  std::copy(std::begin(layout.rings), std::end(layout.rings), header->rings);
  header->record_offset = record_offset;
  header->record_size = record.size();
  std::memcpy(mapping.data() + kRegionHeaderBytes, wire.data(), wire.size());
  std::memcpy(mapping.data() + record_offset, record.data(), record.size());
  return OutputRegion(std::move(fd), std::move(mapping), layout);
}

absl::StatusOr<OutputRegion> OutputRegion::Adopt(UniqueFd memfd) {
  ASSIGN_OR_RETURN(const uint64_t size, CheckedMemfdSize(memfd.get()));
  absl::StatusOr<SharedMapping> mapping = SharedMapping::Map(memfd.get(), size);
  if (!mapping.ok()) return RefuseRegion(mapping.status().message());
  // One copy is checked and used; what init changes afterwards is not looked at.
  const HeaderCopy copy = CopyHeader(*reinterpret_cast<RegionHeader*>(mapping->data()));
  if (!LayoutFits(copy, size)) return RefuseRegion("its layout does not fit its size");
  Layout layout{copy.head_offset, copy.head_size, {}};
  std::copy(std::begin(copy.rings), std::end(copy.rings), layout.rings);
  return OutputRegion(std::move(memfd), *std::move(mapping), layout);
}

bool OutputRegion::FitsSpec(const ExecSpec& spec) const {
  const Layout wanted = LayoutOf(spec, 0);
  return layout_.head_size == wanted.head_size && layout_.rings[0].size == wanted.rings[0].size &&
         layout_.rings[1].size == wanted.rings[1].size;
}

uint64_t OutputRegion::bytes_max() const {
  return layout_.head_size + layout_.rings[0].size + layout_.rings[1].size;
}

std::string OutputRegion::record() const {
  const auto* memory = static_cast<const volatile RegionHeader*>(header());
  const uint64_t offset = memory->record_offset;
  const uint64_t size = memory->record_size;
  if (offset < kRegionHeaderBytes || offset > layout_.head_offset ||
      size > layout_.head_offset - offset) {
    return "";
  }
  return std::string(mapping_.data() + offset, size);
}

RegionHeader* OutputRegion::header() const {
  return reinterpret_cast<RegionHeader*>(mapping_.data());
}

OutputRegion::Record OutputRegion::TakeHead(Cursor* cursor, std::string* data) const {
  // Closed is loaded first: it is stored after the last record of the head.
  const bool closed = header()->head_closed.load(std::memory_order_acquire) != 0;
  const uint64_t used = header()->head_used.load(std::memory_order_acquire);
  if (used > layout_.head_size || cursor->head_offset > used) {
    return {.kind = Record::Kind::kCorrupt};
  }
  if (cursor->head_offset == used) {
    if (!closed) return {};
    cursor->in_rings = true;
    return TakeRings(cursor, data);
  }
  RecordHeader record;
  if (used - cursor->head_offset < sizeof record) return {.kind = Record::Kind::kCorrupt};
  const char* at = mapping_.data() + layout_.head_offset + cursor->head_offset;
  std::memcpy(&record, at, sizeof record);
  if (record.size > kRecordDataMax || RecordSpan(record) > used - cursor->head_offset) {
    return {.kind = Record::Kind::kCorrupt};
  }
  Record accepted = AcceptRecord(record, cursor);
  if (accepted.kind != Record::Kind::kData) return accepted;
  data->append(at + sizeof record, record.size);
  cursor->head_offset += RecordSpan(record);
  return accepted;
}

RingView OutputRegion::ring(uint32_t number) const {
  const RingPlace& place = layout_.rings[number];
  return RingView(mapping_.data() + place.offset, place.size, &header()->ring[number]);
}

OutputRegion::Record OutputRegion::TakeRings(Cursor* cursor, std::string* data) const {
  using Look = RingView::Look;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    RecordHeader records[kRings];
    Look looks[kRings];
    for (uint32_t i = 0; i < kRings; ++i) {
      looks[i] = ring(i).Peek(&cursor->ring_positions[i], &records[i]);
    }
    // A record of the first ring that is older than the second's may have come after the first
    // look.
    if (looks[0] == Look::kNone && looks[1] == Look::kRecord) {
      looks[0] = ring(0).Peek(&cursor->ring_positions[0], &records[0]);
    }
    if (looks[0] == Look::kCorrupt || looks[1] == Look::kCorrupt) break;
    if (looks[0] == Look::kNone && looks[1] == Look::kNone) return {};
    const uint32_t first = looks[0] == Look::kNone || (looks[1] == Look::kRecord &&
                                                       records[1].sequence < records[0].sequence)
                               ? 1
                               : 0;
    uint64_t* const position = &cursor->ring_positions[first];
    const size_t kept = data->size();
    const bool wanted = records[first].sequence == cursor->next_sequence;
    if (wanted && !ring(first).Copy(*position, records[first], data)) continue;
    Record accepted = AcceptRecord(records[first], cursor);
    if (accepted.kind == Record::Kind::kData) {
      *position += RecordSpan(records[first]);
    } else {
      data->resize(kept);
    }
    return accepted;
  }
  return {.kind = Record::Kind::kCorrupt};
}

OutputRegion::Record OutputRegion::Next(Cursor* cursor, std::string* data) const {
  return cursor->in_rings ? TakeRings(cursor, data) : TakeHead(cursor, data);
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
  if (cursor.in_rings) {
    return ring(0).HasBeyond(cursor.ring_positions[0]) ||
           ring(1).HasBeyond(cursor.ring_positions[1]);
  }
  return header()->head_closed.load(std::memory_order_acquire) != 0 ||
         header()->head_used.load(std::memory_order_acquire) > cursor.head_offset;
}

bool OutputRegion::MoveGate(uint64_t sequence) {
  header()->gate_sequence.store(sequence, std::memory_order_seq_cst);
  header()->gate_armed.store(1, std::memory_order_seq_cst);
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

OutputRegion::Counts OutputRegion::counts() const {
  constexpr uint64_t kCountMax = uint64_t{1} << 62;
  Counts counts;
  for (int i = 0; i < 2; ++i) {
    counts.total[i] = std::min(header()->bytes_total[i].load(), kCountMax);
    counts.dropped[i] = std::min(header()->bytes_dropped[i].load(), counts.total[i]);
  }
  return counts;
}

ShellState OutputRegion::shell_state() const { return ReadShellState(header()->shell); }

bool OutputRegion::ended() const { return header()->ended.load(std::memory_order_acquire) != 0; }

}  // namespace glovebox

#include "init/region_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "init/exec_limits.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr uint64_t kHeaderBytes = sizeof(RecordHeader);
// Rather a new place than a record smaller than this where more is waiting.
constexpr uint64_t kSmallestBytes = 512;

uint64_t OutputBytes(const RecordHeader& record) {
  return CarriesOutput(record.stream) ? record.size : 0;
}

constexpr uint64_t Padded(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

uint64_t Min(uint64_t a, uint64_t b) { return a < b ? a : b; }

int CounterOf(OutputStream stream) { return stream == OutputStream::kStderr ? 1 : 0; }

// offset + size <= limit without overflow, offset at or beyond `from`.
bool Fits(uint64_t from, uint64_t offset, uint64_t size, uint64_t limit) {
  return offset >= from && offset <= limit && size <= limit - offset;
}

bool LayoutFits(const RegionHeader& header, uint64_t region_size) {
  const RingPlace& out = header.rings[0];
  const RingPlace& error = header.rings[1];
  return header.magic == kRegionMagic && header.version == kRegionVersion &&
         header.region_size == region_size && header.spec_size <= kSpecBytesMax &&
         Fits(kRegionHeaderBytes, header.spec_offset, header.spec_size, region_size) &&
         Fits(header.spec_offset + header.spec_size, header.head_offset, header.head_size,
              region_size) &&
         Fits(header.head_offset + header.head_size, out.offset, out.size, region_size) &&
         Fits(out.offset + out.size, error.offset, error.size, region_size) &&
         (header.head_offset | header.head_size | out.offset | out.size | error.offset |
          error.size) %
                 8 ==
             0 &&
         out.size >= kRingBytesMin && (error.size == 0 || error.size >= kRingBytesMin);
}

}  // namespace

long RegionWriter::Map(int memfd) {
  constexpr long kSeals = F_SEAL_SHRINK | F_SEAL_GROW;
  struct stat status;
  long result = raw::Call(__NR_fstat, memfd, &status);
  if (result < 0) return result;
  auto size = static_cast<uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < kRegionHeaderBytes || size > kRegionBytesMax) {
    return -EINVAL;
  }
  // Without them the daemon's file could shrink under the mapping: SIGBUS for the sandbox.
  long seals = raw::Fcntl(memfd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return -EPERM;
  long address = raw::Call(__NR_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
  if (address < 0 && address > -4096) return address;
  header_ = reinterpret_cast<RegionHeader*>(address);
  region_size_ = size;
  if (!LayoutFits(*header_, size)) {
    Unmap();
    return -EINVAL;
  }
  spec_offset_ = header_->spec_offset;
  spec_size_ = header_->spec_size;
  head_offset_ = header_->head_offset;
  head_size_ = header_->head_size;
  for (uint32_t i = 0; i < kRings; ++i) {
    rings_[i].offset = header_->rings[i].offset;
    rings_[i].size = header_->rings[i].size;
    rings_[i].words = &header_->ring[i];
  }
  return 0;
}

void RegionWriter::Unmap() {
  if (header_ != nullptr) (void)raw::Call(__NR_munmap, header_, region_size_);
  header_ = nullptr;
}

RegionWriter::Ring* RegionWriter::RingOf(OutputStream stream) {
  return stream == OutputStream::kStderr && rings_[1].size > 0 ? &rings_[1] : &rings_[0];
}

// The position after the record at `position`, which is copied; skipped bytes are a kPad record.
uint64_t RegionWriter::After(const Ring& ring, uint64_t position, RecordHeader* record) const {
  uint64_t to_end = ring.size - position % ring.size;
  if (to_end < kHeaderBytes) {
    *record = {0, OutputStream::kPad, 0, 0, 0};
    return position + to_end;
  }
  __builtin_memcpy(record, At(ring, position), sizeof(*record));
  return position + Min(to_end, kHeaderBytes + Padded(record->size));
}

// The position below which records may be overwritten; it lies between two records.
uint64_t RegionWriter::Released(Ring* ring) const {
  uint64_t gate = gate_sequence();
  RecordHeader record;
  if (ring->delivered < ring->tail) ring->delivered = ring->tail;
  if (ring->released < ring->tail) ring->released = ring->tail;
  while (ring->delivered < ring->head) {
    uint64_t next = After(*ring, ring->delivered, &record);
    if (record.sequence > gate) break;  // 0: padding
    ring->delivered = next;
  }
  while (ring->released < ring->delivered) {
    uint64_t next = After(*ring, ring->released, &record);
    if (next + ring->size / 2 > ring->delivered) break;
    ring->released = next;
  }
  return ring->released;
}

bool RegionWriter::MakeRoom(Ring* ring, uint64_t need, bool hold) {
  uint64_t released = hold ? Released(ring) : ring->head;
  uint64_t tail = ring->tail;
  uint64_t dropped[2] = {};
  while (ring->head + need - tail > ring->size) {
    if (tail >= released) return false;
    RecordHeader record;
    tail = After(*ring, tail, &record);
    if (record.sequence > kept_elsewhere_) {
      dropped[CounterOf(record.stream)] += OutputBytes(record);
    }
  }
  if (tail != ring->tail) {
    ring->tail = tail;
    for (int i = 0; i < 2; ++i) {
      dropped_[i] += dropped[i];
      header_->bytes_dropped[i].store(dropped_[i], std::memory_order_relaxed);
    }
    ring->words->tail.store(tail, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  return true;
}

bool RegionWriter::PadToStart(Ring* ring, bool hold) {
  uint64_t to_end = ring->size - ring->head % ring->size;
  if (!MakeRoom(ring, to_end, hold)) return false;
  if (to_end >= kHeaderBytes) {
    RecordHeader pad{static_cast<uint32_t>(to_end - kHeaderBytes), OutputStream::kPad, 0, 0,
                     bytes_};
    __builtin_memcpy(At(*ring, ring->head), &pad, sizeof(pad));
  }
  ring->head += to_end;
  ring->words->head.store(ring->head, std::memory_order_release);
  return true;
}

RegionWriter::Space RegionWriter::ReserveInRing(Ring* ring, uint64_t size, bool hold) {
  uint64_t smallest = Min(size, kSmallestBytes);
  uint64_t to_end = ring->size - ring->head % ring->size;
  if (to_end < kHeaderBytes + Padded(smallest)) {
    if (!PadToStart(ring, hold)) return {nullptr, 0};
    to_end = ring->size;
  }
  // A quarter of the ring at most: one record never displaces most others, and beside the half that
  // back pressure keeps there is always room for one.
  size = Min(size, Min(to_end, ring->size / 4) - kHeaderBytes);
  if (hold) {
    uint64_t room = Released(ring) + ring->size - ring->head;
    if (room < kHeaderBytes + Padded(smallest)) return {nullptr, 0};
    size = Min(size, (room - kHeaderBytes) & ~uint64_t{7});
  }
  if (!MakeRoom(ring, kHeaderBytes + Padded(size), hold)) return {nullptr, 0};
  return {At(*ring, ring->head) + kHeaderBytes, static_cast<uint32_t>(size)};
}

RegionWriter::Space RegionWriter::Reserve(OutputStream stream, uint32_t wanted, bool hold) {
  uint64_t size = Min(wanted, kRecordDataMax);
  if (head_closed_) return ReserveInRing(RingOf(stream), size, hold);
  uint64_t room = head_size_ - head_used_;
  if (room >= kHeaderBytes + Padded(Min(size, kSmallestBytes))) {
    return {base() + head_offset_ + head_used_ + kHeaderBytes,
            static_cast<uint32_t>(Min(size, room - kHeaderBytes))};
  }
  head_closed_ = true;
  header_->head_closed.store(1, std::memory_order_release);
  return ReserveInRing(RingOf(stream), size, hold);
}

RecordHeader RegionWriter::Commit(OutputStream stream, uint32_t size, int64_t now_ns) {
  RecordHeader record{size, stream, ++sequence_, now_ns, bytes_};
  uint64_t extent = kHeaderBytes + Padded(size);
  int counter = CounterOf(stream);
  total_[counter] += OutputBytes(record);
  bytes_ += size;
  header_->bytes_total[counter].store(total_[counter], std::memory_order_relaxed);
  header_->last_sequence.store(sequence_, std::memory_order_relaxed);
  if (!head_closed_) {
    __builtin_memcpy(base() + head_offset_ + head_used_, &record, sizeof(record));
    head_used_ += extent;
    header_->head_used.store(head_used_, std::memory_order_release);
  } else {
    Ring* ring = RingOf(stream);
    __builtin_memcpy(At(*ring, ring->head), &record, sizeof(record));
    ring->head += extent;
    ring->words->head.store(ring->head, std::memory_order_release);
  }
  // Before reader_waiting is looked at: either the reader sees this record or we see its wish.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return record;
}

void RegionWriter::SetShell(const ShellNews& news) {
  ShellWords& words = header_->shell;
  words.version.fetch_add(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  words.running = news.running ? 1 : 0;
  words.number = news.number;
  words.fingerprint = news.fingerprint;
  words.started_sequence = news.started_sequence;
  words.ended_sequence = news.ended_sequence;
  words.end = news.end;
  words.version.fetch_add(1, std::memory_order_release);
}

void RegionWriter::Finish(ExecEnd* end) {
  for (int i = 0; i < 2; ++i) {
    end->bytes_total[i] = total_[i];
    end->bytes_dropped[i] = dropped_[i];
  }
  end->frame_count = sequence_;
  header_->end = *end;
  header_->ended.store(1, std::memory_order_release);
}

}  // namespace glovebox

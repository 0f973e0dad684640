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

constexpr uint64_t Padded(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

uint64_t Min(uint64_t a, uint64_t b) { return a < b ? a : b; }

int CounterOf(OutputStream stream) { return stream == OutputStream::kStderr ? 1 : 0; }

// offset + size <= limit without overflow, offset at or beyond `from`.
bool Fits(uint64_t from, uint64_t offset, uint64_t size, uint64_t limit) {
  return offset >= from && offset <= limit && size <= limit - offset;
}

bool LayoutFits(const RegionHeader& header, uint64_t region_size) {
  return header.magic == kRegionMagic && header.version == kRegionVersion &&
         header.region_size == region_size && header.spec_size <= kSpecBytesMax &&
         Fits(kRegionHeaderBytes, header.spec_offset, header.spec_size, region_size) &&
         Fits(header.spec_offset + header.spec_size, header.head_offset, header.head_size,
              region_size) &&
         Fits(header.head_offset + header.head_size, header.ring_offset, header.ring_size,
              region_size) &&
         (header.head_offset | header.head_size | header.ring_offset | header.ring_size) % 8 == 0 &&
         header.ring_size >= kRingBytesMin;
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
  ring_offset_ = header_->ring_offset;
  ring_size_ = header_->ring_size;
  return 0;
}

void RegionWriter::Unmap() {
  if (header_ != nullptr) (void)raw::Call(__NR_munmap, header_, region_size_);
  header_ = nullptr;
}

uint64_t RegionWriter::Gate() const {
  uint64_t gate = header_->gate_position.load();
  if (gate < ring_tail_) return ring_tail_;
  return Min(gate, ring_head_);
}

// The position after the record at `tail`, which is counted as dropped.
uint64_t RegionWriter::DropOldest(uint64_t tail) {
  uint64_t to_end = ring_size_ - tail % ring_size_;
  if (to_end < kHeaderBytes) return tail + to_end;
  RecordHeader record;
  __builtin_memcpy(&record, RingAt(tail), sizeof(record));
  if (record.stream != OutputStream::kPad) dropped_[CounterOf(record.stream)] += record.size;
  return tail + Min(to_end, kHeaderBytes + Padded(record.size));
}

bool RegionWriter::MakeRoom(uint64_t need, bool hold) {
  uint64_t gate = hold ? Gate() : 0;
  uint64_t tail = ring_tail_;
  uint64_t dropped[2] = {dropped_[0], dropped_[1]};
  while (ring_head_ + need - tail > ring_size_) {
    uint64_t next = DropOldest(tail);
    if (hold && next > gate) {
      dropped_[0] = dropped[0];
      dropped_[1] = dropped[1];
      return false;
    }
    tail = next;
  }
  if (tail != ring_tail_) {
    ring_tail_ = tail;
    header_->bytes_dropped[0].store(dropped_[0], std::memory_order_relaxed);
    header_->bytes_dropped[1].store(dropped_[1], std::memory_order_relaxed);
    header_->ring_tail.store(tail, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  return true;
}

bool RegionWriter::PadToStart(bool hold) {
  uint64_t to_end = ring_size_ - ring_head_ % ring_size_;
  if (!MakeRoom(to_end, hold)) return false;
  if (to_end >= kHeaderBytes) {
    RecordHeader pad{static_cast<uint32_t>(to_end - kHeaderBytes), OutputStream::kPad, 0, 0,
                     total_[0] + total_[1]};
    __builtin_memcpy(RingAt(ring_head_), &pad, sizeof(pad));
  }
  ring_head_ += to_end;
  header_->ring_head.store(ring_head_, std::memory_order_release);
  return true;
}

RegionWriter::Space RegionWriter::Reserve(uint32_t wanted, bool hold) {
  uint64_t size = Min(wanted, kRecordDataMax);
  uint64_t smallest = Min(size, kSmallestBytes);
  if (!head_closed_) {
    uint64_t room = head_size_ - head_used_;
    if (room >= kHeaderBytes + Padded(smallest)) {
      return {base() + head_offset_ + head_used_ + kHeaderBytes,
              static_cast<uint32_t>(Min(size, room - kHeaderBytes))};
    }
    head_closed_ = true;
    header_->head_closed.store(1, std::memory_order_release);
  }
  uint64_t to_end = ring_size_ - ring_head_ % ring_size_;
  if (to_end < kHeaderBytes + Padded(smallest)) {
    if (!PadToStart(hold)) return {nullptr, 0};
    to_end = ring_size_;
  }
  // Half of the ring at most, so that one record never displaces all others.
  size = Min(size, Min(to_end, ring_size_ / 2) - kHeaderBytes);
  if (hold) {
    uint64_t room = Gate() + ring_size_ - ring_head_;
    if (room < kHeaderBytes + Padded(smallest)) return {nullptr, 0};
    size = Min(size, (room - kHeaderBytes) & ~uint64_t{7});
  }
  if (!MakeRoom(kHeaderBytes + Padded(size), hold)) return {nullptr, 0};
  return {RingAt(ring_head_) + kHeaderBytes, static_cast<uint32_t>(size)};
}

void RegionWriter::Commit(OutputStream stream, uint32_t size, int64_t now_ns) {
  RecordHeader record{size, stream, ++sequence_, now_ns, total_[0] + total_[1]};
  uint64_t extent = kHeaderBytes + Padded(size);
  int counter = CounterOf(stream);
  total_[counter] += size;
  header_->bytes_total[counter].store(total_[counter], std::memory_order_relaxed);
  header_->last_sequence.store(sequence_, std::memory_order_relaxed);
  if (!head_closed_) {
    __builtin_memcpy(base() + head_offset_ + head_used_, &record, sizeof(record));
    head_used_ += extent;
    header_->head_used.store(head_used_, std::memory_order_release);
  } else {
    __builtin_memcpy(RingAt(ring_head_), &record, sizeof(record));
    ring_head_ += extent;
    header_->ring_head.store(ring_head_, std::memory_order_release);
  }
  // Before reader_waiting is looked at: either the reader sees this record or we see its wish.
  std::atomic_thread_fence(std::memory_order_seq_cst);
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

#include "exec/ring_view.h"

#include <cstring>

#include "exec/output_record.h"

namespace glovebox {
namespace {

// A hostile writer could move the tail for ever; a reader gives up after so many tries and says so.
constexpr int kTriesMax = 1000;

}  // namespace

RingView::Look RingView::Peek(uint64_t* position, RecordHeader* record) const {
  if (size_ == 0) return Look::kNone;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const uint64_t head = words_->head.load(std::memory_order_acquire);
    const uint64_t tail = words_->tail.load(std::memory_order_acquire);
    if (tail > head || head - tail > size_) continue;
    if (*position < tail) *position = tail;
    if (*position > head) return Look::kCorrupt;
    if (*position == head) return Look::kNone;
    const uint64_t contiguous = size_ - *position % size_;
    if (contiguous < sizeof(RecordHeader)) {
      *position += contiguous;
      continue;
    }
    std::memcpy(record, memory_ + *position % size_, sizeof *record);
    // Was it overwritten while it was copied? (seqlock: the copy happens before this load)
    std::atomic_thread_fence(std::memory_order_acquire);
    if (words_->tail.load(std::memory_order_acquire) > *position) continue;
    if (record->size > kRecordDataMax || RecordSpan(*record) > contiguous ||
        RecordSpan(*record) > head - *position) {
      return Look::kCorrupt;
    }
    if (record->stream != OutputStream::kPad) return Look::kRecord;
    *position += RecordSpan(*record);
  }
  return Look::kCorrupt;
}

bool RingView::Copy(uint64_t position, const RecordHeader& record, std::string* data) const {
  const size_t kept = data->size();
  data->append(memory_ + position % size_ + sizeof record, record.size);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (words_->tail.load(std::memory_order_acquire) <= position) return true;
  data->resize(kept);
  return false;
}

}  // namespace glovebox

// The writing side of exec_region.h: where the next output goes, and what has to make room for it.
// Every count that decides anything is kept here; the shared header only gets copies.
#ifndef GLOVEBOX_INIT_REGION_WRITER_H_
#define GLOVEBOX_INIT_REGION_WRITER_H_

#include <cstdint>

#include "init/exec_region.h"

namespace glovebox {

class RegionWriter {
 public:
  struct Space {
    char* data;
    uint32_t size;  // 0: no room until the gate moves
  };

  // Maps and checks a region. 0 or -errno: EPERM without the seals, EINVAL when it does not fit.
  long Map(int memfd);
  void Unmap();
  bool mapped() const { return header_ != nullptr; }

  const char* spec() const { return base() + spec_offset_; }
  uint64_t spec_size() const { return spec_size_; }

  // Contiguous room for the data of one record, at most `wanted` bytes (> 0). With `hold`, records
  // at and beyond the reader's gate are not overwritten.
  Space Reserve(uint32_t wanted, bool hold);
  // Publishes the record that was written into the last reserved space.
  void Commit(OutputStream stream, uint32_t size, int64_t now_ns);

  bool gate_armed() const { return header_->gate_armed.load() != 0; }
  void SetWriterWaiting(bool waiting) { header_->writer_waiting.store(waiting ? 1 : 0); }
  // True once for each time the reader asked to be told of output.
  bool TakeReaderWaiting() { return header_->reader_waiting.exchange(0) != 0; }

  uint64_t bytes_total(int stream) const { return total_[stream]; }
  // Adds the counters to `end`, publishes it; no record may follow.
  void Finish(ExecEnd* end);

 private:
  char* base() const { return reinterpret_cast<char*>(header_); }
  char* RingAt(uint64_t position) const { return base() + ring_offset_ + position % ring_size_; }
  uint64_t Gate() const;
  bool MakeRoom(uint64_t need, bool hold);
  uint64_t DropOldest(uint64_t tail);
  bool PadToStart(bool hold);

  RegionHeader* header_ = nullptr;
  uint64_t region_size_ = 0;
  uint64_t spec_offset_ = 0, spec_size_ = 0;
  uint64_t head_offset_ = 0, head_size_ = 0;
  uint64_t ring_offset_ = 0, ring_size_ = 0;

  uint64_t head_used_ = 0;
  bool head_closed_ = false;
  uint64_t ring_head_ = 0, ring_tail_ = 0;
  uint64_t sequence_ = 0;
  uint64_t total_[2] = {}, dropped_[2] = {};
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_REGION_WRITER_H_

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

  // Contiguous room for the data of one record of `stream`, at most `wanted` bytes (> 0). With
  // `hold`, records that may not have been delivered are not overwritten (exec_region.h).
  Space Reserve(OutputStream stream, uint32_t wanted, bool hold);
  // Publishes the record that was written into the last reserved space, which was of this stream.
  RecordHeader Commit(OutputStream stream, uint32_t size, int64_t now_ns);
  // Records up to `sequence` are kept elsewhere: overwriting them drops nothing.
  void SetKeptElsewhere(uint64_t sequence) { kept_elsewhere_ = sequence; }

  bool gate_armed() const { return header_->gate_armed.load() != 0; }
  void DisarmGate() { header_->gate_armed.store(0); }
  uint64_t gate_sequence() const { return header_->gate_sequence.load(); }
  void SetWriterWaiting(bool waiting) { header_->writer_waiting.store(waiting ? 1 : 0); }
  // True once for each time the reader asked to be told of output.
  bool TakeReaderWaiting() { return header_->reader_waiting.exchange(0) != 0; }

  // The latest sequence number that was given.
  uint64_t sequence() const { return sequence_; }
  // What ShellWords are to say.
  struct ShellNews {
    bool running = false;
    uint64_t number = 0, fingerprint = 0;
    uint64_t started_sequence = 0, ended_sequence = 0;
    CommandEndedRecord end{};
  };
  void SetShell(const ShellNews& news);

  uint64_t bytes_total(int stream) const { return total_[stream]; }
  // Adds the counters to `end`, publishes it; no record may follow.
  void Finish(ExecEnd* end);

 private:
  // One ring; positions are absolute.
  struct Ring {
    uint64_t offset = 0, size = 0;
    uint64_t head = 0, tail = 0;
    uint64_t delivered = 0;  // records before it were delivered
    uint64_t released = 0;   // records before it may be overwritten under back pressure
    RingWords* words = nullptr;
  };

  char* base() const { return reinterpret_cast<char*>(header_); }
  char* At(const Ring& ring, uint64_t position) const {
    return base() + ring.offset + position % ring.size;
  }
  Ring* RingOf(OutputStream stream);
  uint64_t After(const Ring& ring, uint64_t position, RecordHeader* record) const;
  uint64_t Released(Ring* ring) const;
  bool MakeRoom(Ring* ring, uint64_t need, bool hold);
  bool PadToStart(Ring* ring, bool hold);
  Space ReserveInRing(Ring* ring, uint64_t size, bool hold);

  RegionHeader* header_ = nullptr;
  uint64_t region_size_ = 0;
  uint64_t spec_offset_ = 0, spec_size_ = 0;
  uint64_t head_offset_ = 0, head_size_ = 0;

  uint64_t head_used_ = 0;
  bool head_closed_ = false;
  Ring rings_[kRings];
  uint64_t sequence_ = 0;
  uint64_t kept_elsewhere_ = 0;
  uint64_t bytes_ = 0;  // of all records: their bytes_before
  uint64_t total_[2] = {}, dropped_[2] = {};
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_REGION_WRITER_H_

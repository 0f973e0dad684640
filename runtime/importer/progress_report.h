// How far the importer is, on stderr: "glovebox-progress DONE TOTAL ITEMS" (import_progress.h reads
// it).
#ifndef GLOVEBOX_IMPORTER_PROGRESS_REPORT_H_
#define GLOVEBOX_IMPORTER_PROGRESS_REPORT_H_

#include <cstdint>

namespace glovebox {

class ProgressReport {
 public:
  // `total`: bytes that will be done; 0 when that is not known.
  explicit ProgressReport(uint64_t total) : total_(total) {}

  void AddBytes(uint64_t bytes) {
    done_ += bytes;
    MayTell();
  }
  void AddItem() {
    ++items_;
    MayTell();
  }

 private:
  void MayTell();

  const uint64_t total_;
  uint64_t done_ = 0;
  uint64_t items_ = 0;
  int64_t told_ns_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_PROGRESS_REPORT_H_

// A few attached blank disks of one size, made ahead by a thread of its own.
#ifndef GLOVEBOX_SNAPSHOT_DISK_STOCK_H_
#define GLOVEBOX_SNAPSHOT_DISK_STOCK_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "snapshot/disk.h"

namespace glovebox {

struct DiskSize {
  uint64_t bytes = 0;
  uint64_t inodes = 0;
  friend bool operator==(const DiskSize&, const DiskSize&) = default;
};

// Thread-safe.
class DiskStock {
 public:
  using Make = std::function<absl::StatusOr<std::unique_ptr<Disk>>(const DiskSize&)>;

  explicit DiskStock(Make make);  // called on the stock's thread
  ~DiskStock();                   // drops what is in stock
  DiskStock(const DiskStock&) = delete;
  DiskStock& operator=(const DiskStock&) = delete;

  void Keep(const DiskSize& size, size_t count);

  // Null when there is none of this size.
  std::unique_ptr<Disk> Take(const DiskSize& size);

  size_t size() const;

 private:
  void Loop();

  const Make make_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  DiskSize size_;
  size_t wanted_ = 0;
  bool failed_ = false;  // the last refill; cleared by the next Take or Keep
  bool ending_ = false;
  std::vector<std::unique_ptr<Disk>> disks_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_DISK_STOCK_H_

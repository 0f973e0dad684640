#include "snapshot/disk_stock.h"

#include <utility>

namespace glovebox {

DiskStock::DiskStock(Make make) : make_(std::move(make)), thread_([this] { Loop(); }) {}

DiskStock::~DiskStock() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DiskStock::Keep(const DiskSize& size, size_t count) {
  std::vector<std::unique_ptr<Disk>> dropped;  // destroyed without the lock
  {
    const std::lock_guard lock(mutex_);
    if (!(size == size_)) dropped = std::exchange(disks_, {});
    size_ = size;
    wanted_ = count;
    failed_ = false;
    while (disks_.size() > wanted_) {
      dropped.push_back(std::move(disks_.back()));
      disks_.pop_back();
    }
  }
  changed_.notify_all();
}

std::unique_ptr<Disk> DiskStock::Take(const DiskSize& size) {
  std::unique_ptr<Disk> disk;
  {
    const std::lock_guard lock(mutex_);
    failed_ = false;
    if (size == size_ && !disks_.empty()) {
      disk = std::move(disks_.back());
      disks_.pop_back();
    }
  }
  changed_.notify_all();
  return disk;
}

size_t DiskStock::size() const {
  const std::lock_guard lock(mutex_);
  return disks_.size();
}

void DiskStock::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || (!failed_ && disks_.size() < wanted_); });
    if (ending_) return;
    const DiskSize size = size_;
    lock.unlock();
    absl::StatusOr<std::unique_ptr<Disk>> disk = make_(size);
    lock.lock();
    if (!disk.ok()) {
      failed_ = true;
    } else if (size == size_ && disks_.size() < wanted_) {
      disks_.push_back(*std::move(disk));
    }
  }
}

}  // namespace glovebox

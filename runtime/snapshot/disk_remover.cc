#include "snapshot/disk_remover.h"

#include <unistd.h>

#include <utility>

#include "linux/mount.h"

namespace glovebox {
namespace {

// What fails here is a leftover, which the next DiskFactory::Open removes; there is nobody to tell.
void Carry(const DiskRemoval& removal) {
  if (!removal.mount_path.empty()) {
    (void)DetachMount(removal.mount_path);
    (void)::rmdir(removal.mount_path.c_str());
  }
  if (!removal.image_path.empty()) (void)::unlink(removal.image_path.c_str());
}

}  // namespace

DiskRemover::DiskRemover() : thread_([this] { Loop(); }) {}

DiskRemover::~DiskRemover() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DiskRemover::Remove(DiskRemoval removal) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() < kQueueMax) {
      queue_.push_back(std::move(removal));
      changed_.notify_all();
      return;
    }
  }
  Carry(removal);
}

void DiskRemover::Drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void DiskRemover::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const DiskRemoval removal = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    Carry(removal);
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace glovebox

// Takes disks off the host: detaches the mount, removes mount point and image. A thread of its own,
// because umount and unlink of an image take 1.5 ms that the end of a sandbox need not wait for.
#ifndef GLOVEBOX_SNAPSHOT_DISK_REMOVER_H_
#define GLOVEBOX_SNAPSHOT_DISK_REMOVER_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace glovebox {

struct DiskRemoval {
  std::string mount_path;  // "": nothing is mounted
  std::string image_path;  // "": the image stays
};

// Thread-safe. The thread is in the mount namespace of the thread that makes this object.
class DiskRemover {
 public:
  static constexpr size_t kQueueMax = 256;

  DiskRemover();
  ~DiskRemover();  // finishes the queue
  DiskRemover(const DiskRemover&) = delete;
  DiskRemover& operator=(const DiskRemover&) = delete;

  // Returns at once, or does the work on this thread when kQueueMax removals are waiting.
  void Remove(DiskRemoval removal);

  // Waits until everything given so far is done.
  void Drain();

 private:
  void Loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<DiskRemoval> queue_;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace glovebox

#endif  // GLOVEBOX_SNAPSHOT_DISK_REMOVER_H_

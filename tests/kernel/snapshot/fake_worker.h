// Runs a worker's job as an ordinary process of the host, on trusted input, with the worker's paths
// replaced by those of a disk's upper/: the store and the importers then see what a worker sandbox
// leaves.
#ifndef GLOVEBOX_TESTS_KERNEL_SNAPSHOT_FAKE_WORKER_H_
#define GLOVEBOX_TESTS_KERNEL_SNAPSHOT_FAKE_WORKER_H_

#include <atomic>
#include <functional>
#include <string>

#include "snapshot/worker_runner.h"

namespace glovebox {

class FakeWorker : public WorkerRunner {
 public:
  explicit FakeWorker(DiskFactory* disks) : disks_(disks) {}

  absl::StatusOr<WorkerResult> Run(const WorkerJob& job) override;

  std::atomic<int> runs = 0;
  std::atomic<int> runs_over_a_base = 0;
  std::function<void(WorkerResult*)> before_return;  // to change what "the worker" did

 private:
  DiskFactory* const disks_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_KERNEL_SNAPSHOT_FAKE_WORKER_H_

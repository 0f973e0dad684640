// Worker sandboxes: how the content store has git and tar run on foreign input.
#ifndef GLOVEBOX_SANDBOX_WORKER_H_
#define GLOVEBOX_SANDBOX_WORKER_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "sandbox/sandbox.h"
#include "snapshot/image_store.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

// Thread-safe.
class SandboxWorkerRunner final : public WorkerRunner {
 public:
  // `private_ranges`: of private addresses, where a worker's reach may be (IpRange).
  SandboxWorkerRunner(SandboxDeps deps, ImageStore* images,
                      std::vector<std::string> private_ranges = {});
  // FAILED_PRECONDITION with reason CAPABILITY_MISSING for a reach on a node without a way out.
  absl::StatusOr<WorkerResult> Run(const WorkerJob& job) override ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends every job that runs, and refuses new ones: both are UNAVAILABLE with reason SHUTTING_DOWN.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::StatusOr<WorkerResult> RunToTheEnd(const WorkerJob& job) ABSL_LOCKS_EXCLUDED(mutex_);
  // What Stop ends; false after it.
  bool Register(const std::shared_ptr<Sandbox>& sandbox) ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsStopped() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Unregister(const std::shared_ptr<Sandbox>& sandbox) ABSL_LOCKS_EXCLUDED(mutex_);

  const SandboxDeps deps_;
  ImageStore* const images_;
  const std::vector<std::string> private_ranges_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<Sandbox>> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_WORKER_H_

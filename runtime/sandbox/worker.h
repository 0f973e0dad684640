// Worker sandboxes: how the content store has git and tar run on foreign input.
#ifndef GLOVEBOX_SANDBOX_WORKER_H_
#define GLOVEBOX_SANDBOX_WORKER_H_

#include "sandbox/sandbox.h"
#include "snapshot/image_store.h"
#include "snapshot/worker_runner.h"

namespace glovebox {

// Thread-safe.
class SandboxWorkerRunner final : public WorkerRunner {
 public:
  SandboxWorkerRunner(SandboxDeps deps, ImageStore* images);
  absl::StatusOr<WorkerResult> Run(const WorkerJob& job) override;

 private:
  const SandboxDeps deps_;
  ImageStore* const images_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_WORKER_H_

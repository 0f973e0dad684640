#include "sandbox/worker.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/notification.h"
#include "base/ids.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kStdoutKept = 64 * 1024;
constexpr size_t kStderrKept = 4 * 1024;
constexpr uint64_t kWorkerPids = 256;
constexpr uint64_t kWorkerCpuMillis = 2000;

SandboxBlueprint WorkerBlueprint(const WorkerJob& job) {
  SandboxBlueprint blueprint;
  blueprint.id = NewRandomId();
  blueprint.limits.memory_bytes = job.memory_bytes;
  blueprint.limits.disk_bytes = job.disk_bytes;
  blueprint.limits.disk_inodes = job.disk_inodes;
  blueprint.limits.pids_max = kWorkerPids;
  blueprint.limits.cpu_millis = kWorkerCpuMillis;
  blueprint.snapshot = job.base;
  blueprint.root_inside = job.as_root_inside;
  blueprint.commands_as_root = job.as_root_inside;
  for (const WorkerBind& bind : job.binds) {
    blueprint.owned_binds.push_back({bind.host_path, bind.target, bind.pinned});
  }
  return blueprint;
}

ExecSpec WorkerSpec(const WorkerJob& job) {
  ExecSpec spec;
  spec.arguments = job.arguments;
  spec.environment = job.environment;
  spec.wall_limit_ms = static_cast<uint32_t>(absl::ToInt64Milliseconds(job.wall_limit));
  return spec;
}

absl::Status Stopping() {
  return DetailedError(absl::StatusCode::kUnavailable,
                       "the daemon is shutting down, and the import has ended; start it again",
                       {"SHUTTING_DOWN", {}});
}

// Takes output as it comes until the end.
class OutputCollector {
 public:
  OutputCollector(const WorkerJob& job, WorkerResult* result) : job_(job), result_(result) {}

  absl::StatusOr<ExecResult> Collect(const std::shared_ptr<Exec>& exec) {
    OutputReader reader(exec, 0, OutputReader::NeverWaitedFor());
    for (;;) {
      auto wake = std::make_shared<absl::Notification>();
      auto once = std::make_shared<absl::Mutex>();
      ASSIGN_OR_RETURN(const std::optional<OutputFrame> frame, reader.NextOrWatch([wake, once] {
        absl::MutexLock lock(once.get());
        if (!wake->HasBeenNotified()) wake->Notify();
      }));
      if (!frame.has_value()) {
        wake->WaitForNotification();
        continue;
      }
      if (frame->kind == OutputFrame::Kind::kEnd) return *frame->result;
      if (frame->kind == OutputFrame::Kind::kData) Take(*frame);
    }
  }

 private:
  void Take(const OutputFrame& frame) {
    if (frame.stream == OutputStream::kStdout) {
      const size_t room = kStdoutKept - result_->stdout_bytes.size();
      result_->stdout_bytes.append(frame.data, 0, room);
      return;
    }
    if (job_.on_stderr) job_.on_stderr(frame.data);
    result_->stderr_tail.append(frame.data);
    if (result_->stderr_tail.size() > kStderrKept) {
      result_->stderr_tail.erase(0, result_->stderr_tail.size() - kStderrKept);
    }
  }

  const WorkerJob& job_;
  WorkerResult* const result_;
};

}  // namespace

SandboxWorkerRunner::SandboxWorkerRunner(SandboxDeps deps, ImageStore* images)
    : deps_(std::move(deps)), images_(images) {}

bool SandboxWorkerRunner::Register(const std::shared_ptr<Sandbox>& sandbox) {
  absl::MutexLock lock(&mutex_);
  if (!stopped_) running_.insert(sandbox);
  return !stopped_;
}

bool SandboxWorkerRunner::IsStopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

void SandboxWorkerRunner::Unregister(const std::shared_ptr<Sandbox>& sandbox) {
  absl::MutexLock lock(&mutex_);
  running_.erase(sandbox);
}

void SandboxWorkerRunner::Stop() {
  std::set<std::shared_ptr<Sandbox>> ending;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    ending.swap(running_);
  }
  for (const auto& sandbox : ending) {
    (void)sandbox->End(Sandbox::CleanUp::kQueue);  // its Run reports the end
  }
}

absl::StatusOr<WorkerResult> SandboxWorkerRunner::Run(const WorkerJob& job) {
  if (IsStopped()) return Stopping();
  absl::StatusOr<WorkerResult> result = RunToTheEnd(job);
  // How it ended then says nothing of the job.
  if (IsStopped()) return Stopping();
  return result;
}

absl::StatusOr<WorkerResult> SandboxWorkerRunner::RunToTheEnd(const WorkerJob& job) {
  SandboxBlueprint blueprint = WorkerBlueprint(job);
  RETURN_IF_ERROR(Validate(blueprint.limits));
  ASSIGN_OR_RETURN(blueprint.image, images_->Lease(ImageStore::kHostName));
  ASSIGN_OR_RETURN(std::shared_ptr<Sandbox> sandbox, Sandbox::Start(deps_, std::move(blueprint)));
  if (!Register(sandbox)) return Stopping();  // it ends with the last that holds it
  const absl::Cleanup unregister = [&] { Unregister(sandbox); };
  ASSIGN_OR_RETURN(const std::shared_ptr<Exec> exec, sandbox->StartExec("worker", WorkerSpec(job)));
  WorkerResult result;
  ASSIGN_OR_RETURN(const ExecResult end, OutputCollector(job, &result).Collect(exec));
  if (end.cause == ExecResult::Cause::kExited) result.exit_code = end.exit_code.value_or(-1);
  result.end = DescribeResult(end);
  ASSIGN_OR_RETURN(result.disk, sandbox->EndAndTakeDisk());
  return result;
}

}  // namespace glovebox

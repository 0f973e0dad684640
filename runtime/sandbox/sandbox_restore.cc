// A sandbox goes on with other files: all that runs in it ends, and a new init begins with the same
// id, the same execs and the same range of ids.
//
// An overlay's upper cannot be exchanged while it is mounted, and processes have files of the old
// one open: so nothing less than a new init will do.
#include <signal.h>
#include <unistd.h>

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "linux/process.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_errors.h"
#include "snapshot/disk_spare.h"

namespace glovebox {
namespace {

constexpr int kEndTimeoutMs = 30'000;
constexpr char kBeginsAnew[] = "its files are being put back to a checkpoint; try again";

}  // namespace

absl::Status Sandbox::StopToBeginAnew() {
  std::shared_ptr<SandboxCgroup> cgroup;
  {
    absl::MutexLock lock(&mutex_);
    const auto quiet = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ending_ || (!changing_ && copies_ == 0);
    };
    mutex_.Await(absl::Condition(&quiet));
    if (left_) return ShuttingDown();
    if (ending_ || resources_ == nullptr) return NotRunning(SandboxState::kDeleting, "");
    // From here on nothing is started, paused or copied. There is no record of it: without one a
    // daemon that takes over finds that init has ended.
    state_ = SandboxState::kStopped;
    stop_reason_ = kBeginsAnew;
    cgroup = resources_->cgroup;
  }
  if (pidfd_.valid()) {                        // else it was stopped before this daemon started
    (void)SignalPidFd(pidfd_.get(), SIGKILL);  // fails only when it has ended
    if (cgroup != nullptr) (void)cgroup->Kill();
    RETURN_IF_ERROR(WaitPidFd(pidfd_.get(), kEndTimeoutMs));
  }
  OnInitGone(kBeginsAnew);
  {
    // Looks at the files that are to go.
    absl::MutexLock lock(&mutex_);
    const auto told = [this]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return looked_after_.empty(); };
    mutex_.Await(absl::Condition(&told));
  }
  RecordEnds();
  return cgroup == nullptr ? absl::OkStatus() : cgroup->Remove();
}

absl::Status Sandbox::LetGoOfEstate(Estate* estate) {
  absl::MutexLock lock(&mutex_);
  if (left_) return ShuttingDown();
  if (resources_ == nullptr) return NotRunning(SandboxState::kDeleting, "");
  resources_->cgroup.reset();
  // The successor listens there.
  if (!resources_->socket_path.empty()) (void)::unlink(resources_->socket_path.c_str());
  resources_->socket_path.clear();
  resources_->Bequeath(estate);
  estate->execs = execs_;
  estate->unrecorded = std::exchange(unrecorded_, {});
  estate->next_exec_no = next_exec_no_;
  return absl::OkStatus();
}

void Sandbox::NoteNotRestored(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    stop_reason_ = absl::StrCat("its files could not be put back to a checkpoint: ", why.message(),
                                "; restore it again");
  }
  if (deps_.state != nullptr) deps_.state->NoteStopped(id(), stop_reason());
}

void Sandbox::TakeBack(Estate&& estate, std::unique_ptr<Disk> disk, const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    if (resources_ == nullptr) return;
    resources_->Inherit(&estate);
    if (disk != nullptr) resources_->disk = std::move(disk);  // as its record says
    std::move(estate.unrecorded.begin(), estate.unrecorded.end(), std::back_inserter(unrecorded_));
  }
  NoteNotRestored(why);
  file_hints_.Tell(FileHint::kFilesGo);
}

// Takes `*disk` when it fails before that is recorded.
absl::StatusOr<std::shared_ptr<Sandbox>> Sandbox::Succeed(SandboxBlueprint blueprint,
                                                          std::unique_ptr<Disk>* disk,
                                                          Estate* estate) const {
  ASSIGN_OR_RETURN(std::unique_ptr<Resources> resources,
                   Resources::Acquire(deps_, blueprint, std::move(*disk), estate));
  const auto give_up = [&](const absl::Status& why, bool recorded) {
    (void)resources->cgroup->Kill();  // an init that nobody holds
    // Not on the clean-up queue: who tries again gives them the same names.
    const bool ended = resources->cgroup->Remove().ok();
    resources->cgroup.reset();
    if (!resources->socket_path.empty()) (void)::unlink(resources->socket_path.c_str());
    resources->socket_path.clear();
    if (!ended) {  // a range is never leased again while a process may still have its ids
      resources->ids->Abandon();
      resources->ids.reset();
    }
    resources->Bequeath(estate);
    if (recorded) *disk = std::move(resources->disk);
    Release(std::move(resources));
    return why;
  };
  // A daemon that dies from here on leaves a stopped sandbox with the new files.
  if (deps_.state != nullptr) {
    const absl::Status noted =
        deps_.state->NoteRestored(blueprint.id, resources->disk->name(),
                                  resources->ids->host_id_first(), blueprint.seccomp_digest);
    if (!noted.ok()) return give_up(noted, /*recorded=*/false);
  }
  absl::StatusOr<LaunchRequest> request = resources->MakeLaunchRequest(deps_, blueprint);
  if (!request.ok()) return give_up(request.status(), /*recorded=*/true);
  absl::StatusOr<LaunchedInit> launched = deps_.launcher->Launch(*std::move(request));
  if (!launched.ok()) return give_up(launched.status(), /*recorded=*/true);
  (void)KeepSpare(resources->disk->root_fd());  // as in Start
  std::shared_ptr<Sandbox> sandbox(
      new Sandbox(deps_, std::move(blueprint), std::move(resources), *std::move(launched)));
  {
    absl::MutexLock lock(&sandbox->mutex_);
    sandbox->execs_ = estate->execs;
    sandbox->next_exec_no_ = estate->next_exec_no;
  }
  absl::Status begun = sandbox->WatchInit();
  if (begun.ok()) begun = sandbox->OpenWayOut();
  if (!begun.ok()) {
    resources = sandbox->KillAndDetach();
    return give_up(begun, /*recorded=*/true);
  }
  return sandbox;
}

// All that is left of it are the old files.
void Sandbox::Retire() {
  std::unique_ptr<Resources> resources;
  {
    absl::MutexLock lock(&mutex_);
    resources = std::move(resources_);
  }
  file_hints_.Tell(FileHint::kFilesGo);
  // Not on the clean-up queue: who deletes the sandbox and waits for all of it waits for this, too.
  if (resources != nullptr) resources->GiveBack();
}

absl::StatusOr<std::shared_ptr<Sandbox>> Sandbox::BeginAnew(SandboxBlueprint blueprint,
                                                            std::unique_ptr<Disk> disk) {
  Estate estate;
  absl::Status stopped = StopToBeginAnew();
  if (stopped.ok()) stopped = LetGoOfEstate(&estate);
  if (!stopped.ok()) {
    if (state() == SandboxState::kStopped) NoteNotRestored(stopped);
    return stopped;
  }
  absl::StatusOr<std::shared_ptr<Sandbox>> successor =
      Succeed(std::move(blueprint), &disk, &estate);
  if (!successor.ok()) {
    TakeBack(std::move(estate), std::move(disk), successor.status());
    return successor;
  }
  for (EndedExec& ended : estate.unrecorded) (*successor)->RecordEndLater(std::move(ended));
  // An open log would keep the old disk and its room.
  for (const auto& [exec_id, exec] : estate.execs) exec->CloseLog();
  Retire();
  return successor;
}

}  // namespace glovebox

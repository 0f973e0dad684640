// The files of a sandbox as they are now.
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_errors.h"
#include "snapshot/disk_copy.h"

namespace glovebox {
namespace {

// For calls that change files, or for copies of them: a patch takes less than a second.
constexpr absl::Duration kChangesTimeout = absl::Seconds(20);

}  // namespace

absl::StatusOr<const Disk*> Sandbox::HoldDisk(std::shared_ptr<SandboxCgroup>* cgroup) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(CheckAlive());
  if (ending_) return NotRunning(SandboxState::kDeleting, "");
  ++copies_;
  *cgroup = resources_->cgroup;
  return resources_->disk.get();
}

void Sandbox::LetGoOfDisk() {
  absl::MutexLock lock(&mutex_);
  --copies_;
}

// Who takes the disk away waits no longer than a part of a copy takes.
void Sandbox::EndCopies() {
  ending_ = true;
  const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return copies_ == 0; };
  mutex_.Await(absl::Condition(&none));
}

void Sandbox::GiveUpCopies() {
  absl::MutexLock lock(&mutex_);
  ending_ = true;
}

bool Sandbox::IsEnding() const {
  absl::MutexLock lock(&mutex_);
  return ending_;
}

absl::StatusOr<std::unique_ptr<Sandbox::FilesChange>> Sandbox::BeginFilesChange() {
  absl::MutexLock lock(&mutex_);
  const auto may = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return files_holds_ == 0; };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&may), kChangesTimeout)) {
    return DetailedError(absl::StatusCode::kDeadlineExceeded,
                         "copies of this sandbox's files take long; try again",
                         {"FREEZE_TIMED_OUT", {}});
  }
  ++files_changes_;
  return std::make_unique<FilesChange>(shared_from_this());
}

void Sandbox::EndFilesChange() {
  absl::MutexLock lock(&mutex_);
  --files_changes_;
}

absl::Status Sandbox::HoldFilesChanges() {
  absl::MutexLock lock(&mutex_);
  const auto whole = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return files_changes_ == 0 && unsettled_files_.empty() && undos_due_.empty();
  };
  const auto known = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return whole() || state_ != SandboxState::kRunning || ending_;
  };
  ++files_holds_;
  (void)mutex_.AwaitWithTimeout(absl::Condition(&known), kChangesTimeout);  // looked at below
  if (whole()) return absl::OkStatus();
  --files_holds_;
  RETURN_IF_ERROR(CheckAlive());
  if (ending_) return NotRunning(SandboxState::kDeleting, "");
  if (state_ == SandboxState::kPaused) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "files of the paused sandbox are half changed by a call; resume it first",
                         {"SANDBOX_PAUSED", {}});
  }
  return DetailedError(absl::StatusCode::kDeadlineExceeded,
                       "a call that changes this sandbox's files takes long; try again",
                       {"FREEZE_TIMED_OUT", {}});
}

void Sandbox::LetFilesChange() {
  absl::MutexLock lock(&mutex_);
  --files_holds_;
}

absl::StatusOr<FilesCopy> Sandbox::CopyFiles(const GivenUp& given_up) {
  std::shared_ptr<SandboxCgroup> cgroup;
  ASSIGN_OR_RETURN(const Disk* disk, HoldDisk(&cgroup));
  const absl::Cleanup let_go = [this] { LetGoOfDisk(); };
  uint64_t processes = 0;
  bool held = false, my_turn = false;
  StandStill still;
  still.stop = [&]() -> absl::Status {
    // Before its turn: programs must be able to go on, and a pause to be made.
    RETURN_IF_ERROR(HoldFilesChanges());
    held = true;
    RETURN_IF_ERROR(TakeTurn(absl::InfiniteDuration()));
    my_turn = true;
    RETURN_IF_ERROR(cgroup->Freeze());
    ASSIGN_OR_RETURN(const CgroupEvents events, cgroup->Events());
    processes = events.pids_current > 0 ? events.pids_current - 1 : 0;
    return absl::OkStatus();
  };
  still.go_on = [&] {
    if (std::exchange(my_turn, false)) {
      (void)cgroup->Thaw();  // fails only when the cgroup is gone, and with it what stood still
      GiveTurn();
    }
    if (std::exchange(held, false)) LetFilesChange();
  };
  still.given_up = [&] { return IsEnding() || (given_up != nullptr && given_up()); };
  absl::StatusOr<DiskSnapshot> snapshot = deps_.disks->CopyNow(*disk, still);
  if (!snapshot.ok() && IsEnding()) return NotRunning(SandboxState::kDeleting, "");
  RETURN_IF_ERROR(snapshot.status());
  return FilesCopy{std::move(snapshot->image), snapshot->frozen, processes};
}

}  // namespace glovebox

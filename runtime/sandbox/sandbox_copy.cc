// The files of a sandbox as they are now.
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_errors.h"
#include "snapshot/disk_copy.h"

namespace glovebox {

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

absl::StatusOr<FilesCopy> Sandbox::CopyFiles(const GivenUp& given_up) {
  std::shared_ptr<SandboxCgroup> cgroup;
  ASSIGN_OR_RETURN(const Disk* disk, HoldDisk(&cgroup));
  const absl::Cleanup let_go = [this] { LetGoOfDisk(); };
  uint64_t processes = 0;
  bool my_turn = false;
  StandStill still;
  still.stop = [&]() -> absl::Status {
    RETURN_IF_ERROR(TakeTurn(absl::InfiniteDuration()));
    my_turn = true;
    RETURN_IF_ERROR(cgroup->Freeze());
    ASSIGN_OR_RETURN(const CgroupEvents events, cgroup->Events());
    processes = events.pids_current > 0 ? events.pids_current - 1 : 0;
    return absl::OkStatus();
  };
  still.go_on = [&] {
    if (!my_turn) return;
    (void)cgroup->Thaw();  // fails only when the cgroup is gone, and with it what stood still
    GiveTurn();
  };
  still.given_up = [&] { return IsEnding() || (given_up != nullptr && given_up()); };
  absl::StatusOr<DiskSnapshot> snapshot = deps_.disks->CopyNow(*disk, still);
  if (!snapshot.ok() && IsEnding()) return NotRunning(SandboxState::kDeleting, "");
  RETURN_IF_ERROR(snapshot.status());
  return FilesCopy{std::move(snapshot->image), snapshot->frozen, processes};
}

}  // namespace glovebox

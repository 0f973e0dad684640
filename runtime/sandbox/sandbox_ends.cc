// What becomes of execs that have ended: recorded for later daemons, then forgotten by init.
#include <utility>

#include "base/status.h"
#include "exec/exec_record.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"

namespace glovebox {

void Sandbox::RecordEndLater(EndedExec ended) {
  {
    absl::MutexLock lock(&mutex_);
    unrecorded_.push_back(std::move(ended));
  }
  deps_.cleanup->Run([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->RecordEnds();
  });
}

absl::Status Sandbox::RecordResult(const Exec& exec) const {
  if (deps_.state == nullptr) return absl::OkStatus();
  const std::optional<ExecOutcome> outcome = exec.outcome();
  if (!outcome.has_value()) return absl::InternalError("an exec without an end was recorded");
  return deps_.state->ArchiveExec({id(), exec.number(), exec.id(),
                                   EncodeExecRecord(exec.id(), exec.spec()),
                                   EncodeExecOutcome(*outcome)});
}

absl::Status Sandbox::RecordEnd(const EndedExec& ended, ExecArchiver* archiver) {
  if (ended.exec->spec().files_program) {
    SettleFilesProgram(*ended.exec);
  } else {
    if (archiver != nullptr) RETURN_IF_ERROR(archiver->Save(ended.exec));
    RETURN_IF_ERROR(RecordResult(*ended.exec));
    LaunchFilesUndos();  // there is room now
  }
  if (!ended.held) return absl::OkStatus();
  // Only now: a daemon that dies before has the same told again to the next one.
  (void)init_->Send(FrameKind::kAckEnd, ended.exec->number(), "");
  absl::MutexLock lock(&mutex_);
  --unacknowledged_;
  return absl::OkStatus();
}

void Sandbox::RecordEnds() {
  std::shared_ptr<ExecArchiver> archiver;
  std::shared_ptr<SandboxCgroup> cgroup;
  std::deque<EndedExec> due;
  {
    absl::MutexLock lock(&mutex_);
    if (resources_ == nullptr) return;  // deleted, or left to the next daemon
    archiver = resources_->archiver;
    cgroup = resources_->cgroup;
    due = std::exchange(unrecorded_, {});
  }
  std::deque<EndedExec> failed;
  for (EndedExec& one : due) {
    // What could not be removed now goes with the sandbox's own cgroup.
    if (cgroup != nullptr && !std::exchange(one.leaf_removed, true) &&
        !one.exec->spec().keep_survivors) {
      (void)cgroup->RemoveExecLeaf(one.exec->number());
    }
    if (!RecordEnd(one, archiver.get()).ok()) failed.push_back(std::move(one));
  }
  if (due.empty()) return;
  {
    absl::MutexLock lock(&mutex_);
    if (failed.empty()) {
      if (record_again_ != nullptr && unrecorded_.empty()) record_again_->Reset();
      return;
    }
    unrecorded_.insert(unrecorded_.begin(), std::make_move_iterator(failed.begin()),
                       std::make_move_iterator(failed.end()));
  }
  RecordAgainLater();
}

void Sandbox::RecordAgainLater() {
  absl::MutexLock lock(&mutex_);
  if (record_again_ == nullptr) {
    auto timer = BackoffTimer::Make(deps_.events, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (self == nullptr) return;
      self->deps_.cleanup->Run([weak] {
        if (auto again = weak.lock()) again->RecordEnds();
      });
    });
    if (!timer.ok()) return;  // without descriptors the next end tries again
    record_again_ = *std::move(timer);
  }
  record_again_->Arm();
}

}  // namespace glovebox

// Pause and resume.
//
// Init is not frozen: it goes on reading output, answers a new daemon, and can kill. It is told
// first, and its answer means that no command is between its birth and its execve, where a freeze
// would hold init itself (CLONE_VFORK). Then the cgroup of each command is frozen. Going on is the
// reverse: so the limits of commands stand still from a moment before they stop until a moment
// after they go on.
//
// The record says which of the two it is; a daemon that takes over makes it so.
#include "absl/cleanup/cleanup.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_errors.h"

namespace glovebox {
namespace {

// Init answers within microseconds; a loaded host may take long.
constexpr absl::Duration kAnswerTimeout = absl::Seconds(20);
// A caller's thread is not kept for as long as a copy of a large disk may take.
constexpr absl::Duration kTurnTimeout = absl::Seconds(5);

absl::Status NoAnswer() {
  return DetailedError(absl::StatusCode::kUnavailable, "the sandbox's init does not answer",
                       {"SYSTEM_CALL_FAILED", {}});
}

}  // namespace

absl::Status Sandbox::CheckAlive() const {
  if (left_) return ShuttingDown();
  if (state_ == SandboxState::kRunning || state_ == SandboxState::kPaused) return absl::OkStatus();
  return NotRunning(state_, stop_reason_);
}

absl::Status Sandbox::TakeTurn(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto free = [this]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !changing_ || ending_; };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&free), timeout)) {
    return DetailedError(absl::StatusCode::kDeadlineExceeded,
                         "another pause or fork of this sandbox takes long; try again",
                         {"FREEZE_TIMED_OUT", {}});
  }
  RETURN_IF_ERROR(CheckAlive());
  if (ending_) return NotRunning(SandboxState::kDeleting, "");
  changing_ = true;
  return absl::OkStatus();
}

void Sandbox::GiveTurn() {
  absl::MutexLock lock(&mutex_);
  changing_ = false;
}

absl::Status Sandbox::BeginPause() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(CheckAlive());
  const auto known = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return init_->version() != 0 || !CheckAlive().ok();
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&known), kAnswerTimeout)) return NoAnswer();
  RETURN_IF_ERROR(CheckAlive());
  if (init_->version() < kFramesVersionPause) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "this sandbox was made by a release that could not pause; its limits "
                         "would run on",
                         {"CAPABILITY_MISSING", {{"remedy", "make a new sandbox"}}});
  }
  init_paused_ = false;
  pausing_ = true;
  return absl::OkStatus();
}

absl::Status Sandbox::AwaitInitPaused() {
  RETURN_IF_ERROR(init_->Send(FrameKind::kPause, 0, ""));
  absl::MutexLock lock(&mutex_);
  const auto answered = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return init_paused_ || !CheckAlive().ok();
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&answered), kAnswerTimeout)) return NoAnswer();
  return CheckAlive();
}

absl::Status Sandbox::Pause() {
  RETURN_IF_ERROR(TakeTurn(kTurnTimeout));
  const absl::Cleanup done = [this] { GiveTurn(); };
  if (state() == SandboxState::kPaused) return absl::OkStatus();
  RETURN_IF_ERROR(BeginPause());
  std::shared_ptr<SandboxCgroup> cgroup;
  absl::Cleanup go_on = [&] {
    if (cgroup != nullptr) (void)cgroup->ThawCommands();  // the first error is the one to tell
    (void)init_->Send(FrameKind::kContinue, 0, "");
    {
      absl::MutexLock lock(&mutex_);
      pausing_ = false;
    }
    LaunchFilesUndosLater();
  };
  RETURN_IF_ERROR(AwaitInitPaused());
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckAlive());
    cgroup = resources_->cgroup;
  }
  RETURN_IF_ERROR(cgroup->FreezeCommands());
  if (deps_.state != nullptr) RETURN_IF_ERROR(deps_.state->NotePaused(id()));
  absl::MutexLock lock(&mutex_);
  std::move(go_on).Cancel();
  pausing_ = false;
  RETURN_IF_ERROR(CheckAlive());
  state_ = SandboxState::kPaused;
  return absl::OkStatus();
}

absl::Status Sandbox::Resume() {
  RETURN_IF_ERROR(TakeTurn(kTurnTimeout));
  const absl::Cleanup done = [this] { GiveTurn(); };
  std::shared_ptr<SandboxCgroup> cgroup;
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckAlive());
    if (state_ == SandboxState::kRunning) return absl::OkStatus();
    cgroup = resources_->cgroup;
  }
  RETURN_IF_ERROR(cgroup->ThawCommands());
  RETURN_IF_ERROR(init_->Send(FrameKind::kContinue, 0, ""));
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckAlive());
    state_ = SandboxState::kRunning;
  }
  // A state directory that is full must not keep a sandbox from going on.
  if (deps_.state != nullptr && !deps_.state->NoteResumed(id()).ok()) {
    deps_.state->NoteResumedBehind(id());
  }
  EndAdoptedFilesPrograms();
  LaunchFilesUndosLater();
  return absl::OkStatus();
}

absl::Status Sandbox::RestorePause(bool paused) {
  if (!paused) {
    if (init_->version() < kFramesVersionPause) return absl::OkStatus();
    return init_->Send(FrameKind::kContinue, 0, "");
  }
  RETURN_IF_ERROR(init_->Send(FrameKind::kPause, 0, ""));
  std::shared_ptr<SandboxCgroup> cgroup;
  {
    absl::MutexLock lock(&mutex_);
    cgroup = resources_->cgroup;
  }
  if (!cgroup->FreezeCommands().ok()) {
    // A resume had begun, and what it let go does not stop again. No reason to end the sandbox.
    if (deps_.state != nullptr) deps_.state->NoteResumedBehind(id());
    return init_->Send(FrameKind::kContinue, 0, "");
  }
  absl::MutexLock lock(&mutex_);
  state_ = SandboxState::kPaused;
  return absl::OkStatus();
}

}  // namespace glovebox

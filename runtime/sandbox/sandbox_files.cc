// The daemon's own program for files, run as an exec that nobody sees.
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "files/protocol.h"
#include "linux/backoff_timer.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_errors.h"

namespace glovebox {
namespace {

constexpr size_t kProgramsMax = 16;
constexpr char kProgramExecId[] = "files";
constexpr absl::Duration kAnswerTimeout = absl::Seconds(20);
constexpr uint32_t kWallLimitMs = 120'000;
constexpr uint64_t kHeadBytes = 4096;
constexpr uint64_t kRingBytes = 256 * 1024;
constexpr uint64_t kErrorRingBytes = 64 * 1024;
constexpr int kUndoTriesMax = 3;
constexpr size_t kArguments = 5;  // as protocol.h has them
constexpr size_t kOperationArgument = 2;
constexpr size_t kPathArgument = 4;

// Whether it only undoes, or clears up, what another run left.
bool TakesBack(const ExecSpec& spec) {
  if (spec.arguments.size() != kArguments) return false;
  const std::string& operation = spec.arguments[kOperationArgument];
  return operation == kFilesUndo || operation == kFilesFinish;
}

ExecSpec ProgramSpec(std::vector<std::string> arguments) {
  ExecSpec spec;
  spec.arguments = std::move(arguments);
  // The workdir need not be there for what is elsewhere.
  if (spec.arguments.size() == kArguments && absl::StartsWith(spec.arguments[kPathArgument], "/")) {
    spec.working_directory = "/";
  }
  spec.replace_environment = true;  // a payload's settings are nothing to it
  spec.stdin_open = true;
  spec.output_policy = OutputPolicy::kBackPressure;
  spec.wall_limit_ms = kWallLimitMs;
  spec.term_grace_ms = 0;
  spec.head_bytes = kHeadBytes;
  spec.ring_bytes = kRingBytes;
  spec.stderr_ring_bytes = kErrorRingBytes;
  spec.files_program = true;
  return spec;
}

}  // namespace

size_t Sandbox::CommandsOpen() const {
  return static_cast<size_t>(
      std::count_if(by_number_.begin(), by_number_.end(),
                    [](const auto& each) { return !each.second->spec().files_program; }));
}

absl::Status Sandbox::AwaitFilesCapability() {
  RETURN_IF_ERROR(CheckAlive());
  // What an adopted init is of is known with its first answer.
  const auto known = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return init_->version() != 0 || !CheckAlive().ok();
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&known), kAnswerTimeout)) {
    return absl::UnavailableError("the sandbox's init does not answer");
  }
  RETURN_IF_ERROR(CheckAlive());
  if (init_->version() >= kFramesVersionProgram && deps_.files_program != nullptr) {
    return absl::OkStatus();
  }
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "this sandbox was made by a release that could not work on files from "
                       "outside; use a command",
                       {"CAPABILITY_MISSING", {{"remedy", "make a new sandbox"}}});
}

absl::StatusOr<std::shared_ptr<Exec>> Sandbox::StartFilesProgram(
    std::vector<std::string> arguments) {
  const ExecSpec spec = ProgramSpec(std::move(arguments));
  RETURN_IF_ERROR(ValidateExecSpec(spec));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(AwaitFilesCapability());
  // Nothing holds back what makes room.
  if (TakesBack(spec)) return Launch(kProgramExecId, spec, {});
  const auto settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return (unsettled_files_.empty() && undos_due_.empty()) || state_ != SandboxState::kRunning ||
           !CheckAlive().ok();
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&settled), kAnswerTimeout)) {
    return absl::UnavailableError("what an earlier call had begun on files is still undone");
  }
  RETURN_IF_ERROR(CheckAlive());
  const auto runs = std::count_if(by_number_.begin(), by_number_.end(), [](const auto& each) {
    return each.second->spec().files_program && !TakesBack(each.second->spec());
  });
  if (static_cast<size_t>(runs) >= kProgramsMax) {
    return DetailedError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat(kProgramsMax, " calls on files of this sandbox run already; try again"),
        {"EXEC_LIMIT", {{"limit", absl::StrCat(kProgramsMax)}}});
  }
  return Launch(kProgramExecId, spec, {});
}

void Sandbox::UndoFilesLater(std::vector<std::string> arguments) {
  {
    absl::MutexLock lock(&mutex_);
    undos_due_.push_back({std::move(arguments), 0});
  }
  LaunchFilesUndosLater();
}

void Sandbox::LaunchFilesUndosLater() {
  deps_.cleanup->Run([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->LaunchFilesUndos();
  });
}

void Sandbox::LaunchFilesUndos() {
  absl::MutexLock lock(&mutex_);
  if (undos_due_.empty() || resources_ == nullptr || deps_.files_program == nullptr) return;
  if (state_ != SandboxState::kRunning || pausing_) return;  // Resume asks again
  std::deque<FilesUndo> refused;
  for (FilesUndo& undo : std::exchange(undos_due_, {})) {
    const absl::StatusOr<std::shared_ptr<Exec>> exec =
        Launch(kProgramExecId, ProgramSpec(undo.arguments), {});
    if (exec.ok()) {
      unsettled_files_[(*exec)->number()] = undo.tries + 1;
    } else {
      refused.push_back(std::move(undo));
    }
  }
  undos_due_ = std::move(refused);
  if (!undos_due_.empty()) {
    UndoFilesAgain();
  } else if (undo_again_ != nullptr) {
    undo_again_->Reset();
  }
}

void Sandbox::UndoFilesAgain() {
  if (undo_again_ == nullptr) {
    auto timer = BackoffTimer::Make(deps_.events, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->LaunchFilesUndosLater();
    });
    if (!timer.ok()) return;  // without descriptors the next end tries again
    undo_again_ = *std::move(timer);
  }
  undo_again_->Arm();
}

void Sandbox::EndAdoptedFilesPrograms() {
  std::vector<std::shared_ptr<Exec>> programs;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, tries] : unsettled_files_) {
      const auto it = by_number_.find(number);
      if (it == by_number_.end() || TakesBack(it->second->spec())) continue;
      programs.push_back(it->second);
    }
  }
  // One that has just ended is no error. Nothing is sent twice: it ends, or init is gone.
  for (const auto& exec : programs) (void)exec->Signal(SIGKILL, SignalScope::kTree);
}

void Sandbox::SettleFilesProgram(const Exec& exec) {
  const std::optional<ExecResult> result = exec.Snapshot().result;
  const ExecResult::Cause cause =
      result.has_value() ? result->cause : ExecResult::Cause::kSandboxGone;
  // For lack of processes: that is no try.
  const bool held_up = cause == ExecResult::Cause::kSpawnFailed && result->error == EAGAIN;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = unsettled_files_.find(exec.number());
    if (it == unsettled_files_.end()) return;
    FilesUndo undo{exec.spec().arguments, held_up ? it->second - 1 : it->second};
    unsettled_files_.erase(it);
    if (cause == ExecResult::Cause::kExited || undo.arguments.size() != kArguments) return;
    if (!TakesBack(exec.spec())) {
      if (cause == ExecResult::Cause::kSpawnFailed) return;  // it had begun nothing
      undo.arguments[kOperationArgument] = kFilesUndo;
    }
    if (undo.tries >= kUndoTriesMax) return;
    undos_due_.push_back(std::move(undo));
    if (held_up) return UndoFilesAgain();
  }
  LaunchFilesUndos();
}

}  // namespace glovebox

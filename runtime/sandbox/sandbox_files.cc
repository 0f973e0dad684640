// The daemon's own program for files, run as an exec that nobody sees.
#include <signal.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "files/protocol.h"
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

// Whether it only undoes, or clears up, what another run left.
bool TakesBack(const ExecSpec& spec) {
  if (spec.arguments.size() != kArguments) return false;
  const std::string& operation = spec.arguments[kOperationArgument];
  return operation == kFilesUndo || operation == kFilesFinish;
}

ExecSpec ProgramSpec(std::vector<std::string> arguments) {
  ExecSpec spec;
  spec.arguments = std::move(arguments);
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
  absl::MutexLock lock(&mutex_);
  const auto settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return unsettled_files_.empty() || state_ != SandboxState::kRunning || !CheckAlive().ok();
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&settled), kAnswerTimeout)) {
    return absl::UnavailableError("what an earlier daemon had begun on files is still undone");
  }
  return LaunchFilesProgram(std::move(arguments));
}

absl::StatusOr<std::shared_ptr<Exec>> Sandbox::LaunchFilesProgram(
    std::vector<std::string> arguments) {
  const ExecSpec spec = ProgramSpec(std::move(arguments));
  RETURN_IF_ERROR(ValidateExecSpec(spec));
  RETURN_IF_ERROR(AwaitFilesCapability());
  if (by_number_.size() - CommandsOpen() >= kProgramsMax) {
    return DetailedError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat(kProgramsMax, " calls on files of this sandbox run already; try again"),
        {"EXEC_LIMIT", {{"limit", absl::StrCat(kProgramsMax)}}});
  }
  return Launch(kProgramExecId, spec, {});
}

void Sandbox::EndAdoptedFilesPrograms() {
  std::vector<std::shared_ptr<Exec>> programs;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, exec] : by_number_) {
      const ExecSpec& spec = exec->spec();
      if (spec.files_program && !TakesBack(spec)) programs.push_back(exec);
    }
  }
  // One that has just ended is no error. Nothing is sent twice: it ends, or init is gone.
  for (const auto& exec : programs) (void)exec->Signal(SIGKILL, SignalScope::kTree);
}

void Sandbox::SettleFilesProgram(const Exec& exec) {
  const std::optional<ExecResult> result = exec.Snapshot().result;
  const bool finished = result.has_value() && result->cause == ExecResult::Cause::kExited;
  absl::MutexLock lock(&mutex_);
  const auto it = unsettled_files_.find(exec.number());
  if (it == unsettled_files_.end()) return;
  const int tries = it->second;
  std::vector<std::string> arguments = exec.spec().arguments;
  if (!finished && arguments.size() == kArguments && tries < kUndoTriesMax) {
    if (!TakesBack(exec.spec())) arguments[kOperationArgument] = kFilesUndo;
    // A sandbox that has ended needs none.
    const absl::StatusOr<std::shared_ptr<Exec>> undo = LaunchFilesProgram(std::move(arguments));
    if (undo.ok()) unsettled_files_[(*undo)->number()] = tries + 1;
  }
  unsettled_files_.erase(exec.number());
}

}  // namespace glovebox

#include "service/files_run.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

// Longer than the program's own limit, which stands still while the sandbox is paused.
constexpr absl::Duration kDeadline = absl::Seconds(150);
constexpr absl::Duration kKilledWithin = absl::Seconds(20);
// How often it is asked whether somebody waits.
constexpr absl::Duration kLookAgain = absl::Milliseconds(250);
constexpr int kCleanUpTries = 3;
// All of them; what takes longer goes on without the call.
constexpr absl::Duration kCleanUpWithin = absl::Seconds(20);
constexpr absl::Duration kEndsWithin = absl::Seconds(2);
constexpr size_t kStdinPieceBytes = 16 * 1024;

bool Changes(const char* operation) {
  for (const char* each : {kFilesWrite, kFilesEdit, kFilesApply}) {
    if (std::strcmp(operation, each) == 0) return true;
  }
  return false;
}

bool HasReason(const absl::Status& status, absl::string_view reason) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == reason;
}

// For lack of processes.
bool NeverBegan(const Exec& exec) {
  const std::optional<ExecResult> result = exec.Snapshot().result;
  return result.has_value() && result->cause == ExecResult::Cause::kSpawnFailed &&
         result->error == EAGAIN;
}

// Why the program did not start: nothing is to be undone then. OK: it may have started.
absl::Status NotStarted(const ExecResult& result, const Sandbox& sandbox) {
  if (result.cause != ExecResult::Cause::kSpawnFailed) return absl::OkStatus();
  if (result.error == EAGAIN) {
    return DetailedError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat("the sandbox is at its limit of processes (", sandbox.limits().pids_max,
                     "): there is none left for a call on files"),
        {"EXEC_LIMIT", {{"limit", absl::StrCat(sandbox.limits().pids_max)}}});
  }
  if (result.failed_step != ExecStep::kWorkingDirectory) return absl::OkStatus();
  const bool hidden = result.error == EACCES;
  return DetailedError(
      hidden ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kNotFound,
      absl::StrCat("the sandbox's workdir ", sandbox.workdir(), " cannot be entered: ",
                   std::strerror(result.error), "; give an absolute path, or make it again"),
      {hidden ? "PATH_NOT_PERMITTED" : "PATH_NOT_FOUND", {{"path", sandbox.workdir()}}});
}

}  // namespace

FilesRun::FilesRun(std::shared_ptr<Sandbox> sandbox, std::shared_ptr<Exec> exec, std::string token,
                   std::string path, const char* operation, Cancelled cancelled)
    : sandbox_(std::move(sandbox)),
      exec_(std::move(exec)),
      token_(std::move(token)),
      path_(std::move(path)),
      changes_(Changes(operation)),
      cancelled_(std::move(cancelled)),
      deadline_(absl::Now() + kDeadline),
      reader_(exec_, 0, OutputReader::WaitedFor()),
      frames_(kFilesAnswerBytesMax + kFilesContentBytesMax) {}

absl::StatusOr<std::unique_ptr<FilesRun>> FilesRun::Start(std::shared_ptr<Sandbox> sandbox,
                                                          const char* operation,
                                                          const std::string& path,
                                                          Cancelled cancelled) {
  // A write's file appears at once, and its client may take its time.
  std::unique_ptr<Sandbox::FilesChange> change;
  if (Changes(operation) && std::strcmp(operation, kFilesWrite) != 0) {
    ASSIGN_OR_RETURN(change, sandbox->BeginFilesChange());
  }
  std::string token = NewRandomId();
  ASSIGN_OR_RETURN(
      std::shared_ptr<Exec> exec,
      sandbox->StartFilesProgram({kFilesProgramName, kFilesVersion, operation, token, path}));
  std::unique_ptr<FilesRun> run(new FilesRun(std::move(sandbox), std::move(exec), std::move(token),
                                             path, operation, std::move(cancelled)));
  run->change_ = std::move(change);
  return run;
}

FilesRun::~FilesRun() {
  // Nobody is left to be told.
  (void)Settle(/*answered=*/false, After::kUndo);
}

absl::Status FilesRun::Wait() {
  if (cancelled_()) return CallCancelled();
  if (absl::Now() > deadline_) {
    return DetailedError(absl::StatusCode::kAborted,
                         "the program for files did not come to an end in time",
                         {"FILES_INTERRUPTED", {}});
  }
  bell_->Await(kLookAgain);
  return absl::OkStatus();
}

absl::Status FilesRun::Send(FilesFrameKind kind, absl::string_view body) {
  const std::string frame = FormatFrame(kind, body);
  const uint64_t end = sent_ + frame.size();
  const uint64_t begin = sent_;
  while (sent_ < end) {
    const uint64_t token = exec_->Watch([bell = bell_] { bell->Ring(); });
    const absl::string_view rest = absl::string_view(frame).substr(sent_ - begin);
    const absl::StatusOr<uint64_t> taken =
        exec_->WriteStdin(sent_, rest.substr(0, kStdinPieceBytes), /*eof=*/false);
    if (!taken.ok()) {
      exec_->Unwatch(token);
      return absl::OkStatus();  // it has ended, or reads no more: its answer says why
    }
    const bool more = *taken > sent_;
    sent_ = *taken;
    absl::Status waited;
    if (!more) waited = Wait();
    exec_->Unwatch(token);
    RETURN_IF_ERROR(waited);
    if (exec_->Snapshot().result.has_value()) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FilesRun::ReadOutput() {
  if (ended_) return false;
  for (;;) {
    ASSIGN_OR_RETURN(std::optional<OutputFrame> frame,
                     reader_.NextOrWatch([bell = bell_] { bell->Ring(); }));
    if (!frame.has_value()) {
      const absl::Status waited = Wait();
      reader_.CancelWatch();
      RETURN_IF_ERROR(waited);
      continue;
    }
    if (frame->kind == OutputFrame::Kind::kEnd) {
      ended_ = true;
      return false;
    }
    if (frame->kind == OutputFrame::Kind::kGap) {
      return DetailedError(absl::StatusCode::kDataLoss, "a part of the answer is missing",
                           {"FILES_INTERRUPTED", {}});
    }
    if (frame->kind != OutputFrame::Kind::kData || frame->stream != OutputStream::kStdout) continue;
    if (!draining_) frames_.Feed(frame->data);
    return true;
  }
}

absl::StatusOr<FilesFrame> FilesRun::NextFrame() {
  for (;;) {
    ASSIGN_OR_RETURN(std::optional<FilesFrame> frame, frames_.Next());
    if (frame.has_value()) return *std::move(frame);
    ASSIGN_OR_RETURN(const bool more, ReadOutput());
    if (!more) {
      return DetailedError(absl::StatusCode::kDataLoss, "there was no answer",
                           {"FILES_INTERRUPTED", {}});
    }
  }
}

absl::Status FilesRun::Interrupted(absl::string_view why, After after) {
  if (const SandboxState state = sandbox_->state();
      state != SandboxState::kRunning && state != SandboxState::kPaused) {
    settled_ = true;
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "the sandbox ended while the call worked on its files",
                         {"SANDBOX_STOPPED", {}});
  }
  RETURN_IF_ERROR(Settle(/*answered=*/false, after));
  const std::optional<ExecResult> result = exec_->Snapshot().result;
  if (result.has_value()) RETURN_IF_ERROR(NotStarted(*result, *sandbox_));
  const std::string how = result.has_value() ? DescribeResult(*result) : std::string(why);
  return DetailedError(
      absl::StatusCode::kAborted,
      absl::StrCat("the program that works on files in the sandbox was interrupted: ", how, " (",
                   why, "); nothing is half done, look before you try again"),
      {"FILES_INTERRUPTED", {}});
}

absl::StatusOr<FilesFrame> FilesRun::Receive() {
  absl::StatusOr<FilesFrame> frame = NextFrame();
  if (!frame.ok()) {
    if (absl::IsDataLoss(frame.status()) || absl::IsAborted(frame.status())) {
      return Interrupted(frame.status().message());
    }
    if (absl::IsUnavailable(frame.status())) settled_ = true;  // the next daemon's
    return frame;
  }
  switch (frame->kind) {
    case FilesFrameKind::kContent:
      return frame;
    case FilesFrameKind::kDone:
      RETURN_IF_ERROR(Settle(/*answered=*/true, After::kFinish));
      return frame;
    case FilesFrameKind::kFailed: {
      absl::Status failure = DecodeFailure(frame->body);
      if (absl::IsDataLoss(failure)) return Interrupted(failure.message());
      // What it could not undo itself may go better now.
      if (HasReason(failure, "FILES_NOT_UNDONE")) {
        return Interrupted(failure.message(), After::kUndoRest);
      }
      RETURN_IF_ERROR(Settle(/*answered=*/true, After::kUndo));
      return failure;
    }
    case FilesFrameKind::kRequest:
    case FilesFrameKind::kCommit:
      break;
  }
  return Interrupted("its answer was none");
}

void FilesRun::AwaitEnd() {
  const absl::Time last = absl::Now() + kKilledWithin;
  while (!exec_->Snapshot().result.has_value() && exec_->left().ok() && absl::Now() < last) {
    const uint64_t token = exec_->Watch([bell = bell_] { bell->Ring(); });
    if (!exec_->Snapshot().result.has_value()) bell_->Await(kLookAgain);
    exec_->Unwatch(token);
  }
}

absl::Status FilesRun::Settle(bool answered, After after) {
  if (std::exchange(settled_, true)) return absl::OkStatus();
  // One that has answered comes to its end by itself, unless somebody stops it.
  draining_ = true;
  deadline_ = std::min(deadline_, absl::Now() + kEndsWithin);
  while (answered && !ended_) {
    if (!ReadOutput().ok()) break;
  }
  if (!exec_->Snapshot().result.has_value()) {
    (void)exec_->Signal(SIGKILL, SignalScope::kTree);  // fails when it has ended
    AwaitEnd();
  }
  const std::optional<ExecResult> result = exec_->Snapshot().result;
  const bool clean = answered && result.has_value() &&
                     result->cause == ExecResult::Cause::kExited && result->exit_code == 0;
  const bool begun = !result.has_value() || result->cause != ExecResult::Cause::kSpawnFailed;
  return clean || !changes_ || !begun ? absl::OkStatus() : CleanUp(after);
}

absl::Status FilesRun::CleanUp(After after) {
  const std::vector<std::string> arguments = {kFilesProgramName, kFilesVersion,
                                              after == After::kFinish ? kFilesFinish : kFilesUndo,
                                              token_, path_};
  const absl::Time last = absl::Now() + kCleanUpWithin;
  bool later = false;
  absl::Status status;
  for (int i = 0; i < kCleanUpTries && !later; ++i) {
    absl::StatusOr<std::shared_ptr<Exec>> exec = sandbox_->StartFilesProgram(arguments);
    if (!exec.ok()) {
      status = exec.status();
      later = true;
      break;
    }
    FilesRun run(sandbox_, *std::move(exec), token_, path_, arguments[2].c_str(),
                 [] { return false; });
    run.settled_ = true;
    run.deadline_ = last;
    const absl::StatusOr<FilesFrame> frame = run.NextFrame();
    if (frame.ok() && frame->kind == FilesFrameKind::kDone) {
      if (after != After::kUndoRest || frame->body == kFilesUndone) return absl::OkStatus();
      status = absl::NotFoundError("what it had replaced was taken away");
      break;
    }
    status = frame.ok() && frame->kind == FilesFrameKind::kFailed ? DecodeFailure(frame->body)
                                                                  : frame.status();
    later = NeverBegan(*run.exec_) || absl::Now() > last;
    (void)run.exec_->Signal(SIGKILL, SignalScope::kTree);  // fails when it has ended
    run.AwaitEnd();
  }
  if (later) sandbox_->UndoFilesLater(arguments);
  if (after == After::kFinish) return absl::OkStatus();  // what is left has no meaning
  const std::string place = absl::StrCat(".glovebox-", token_);
  return DetailedError(
      absl::StatusCode::kAborted,
      absl::StrCat("a call on files was interrupted and ",
                   later ? "is undone as soon as that is possible: " : "could not be undone: ",
                   status.message(), "; what it replaced is in ", place,
                   later ? " until then" : ""),
      {"FILES_NOT_UNDONE", {{"path", place}}});
}

absl::StatusOr<std::string> FilesRun::Ask(std::shared_ptr<Sandbox> sandbox, const char* operation,
                                          const std::string& path, absl::string_view request,
                                          Cancelled cancelled) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FilesRun> run,
                   Start(std::move(sandbox), operation, path, std::move(cancelled)));
  RETURN_IF_ERROR(run->Send(FilesFrameKind::kRequest, request));
  ASSIGN_OR_RETURN(FilesFrame frame, run->Receive());
  if (frame.kind == FilesFrameKind::kDone) return std::move(frame.body);
  return run->Interrupted("its answer was none");
}

}  // namespace glovebox

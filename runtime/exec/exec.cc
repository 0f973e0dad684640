#include "exec/exec.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "exec/limit_facts.h"
#include "exec/refused_calls.h"

namespace glovebox {
namespace {

ExecResult::Cause CauseOf(EndCause cause) {
  switch (cause) {
    case EndCause::kExited:
      return ExecResult::Cause::kExited;
    case EndCause::kSignaled:
      return ExecResult::Cause::kSignaled;
    case EndCause::kTimedOut:
      return ExecResult::Cause::kTimedOut;
    case EndCause::kIdleTimedOut:
      return ExecResult::Cause::kIdleTimedOut;
    case EndCause::kOutputLimit:
      return ExecResult::Cause::kOutputLimit;
    case EndCause::kKilledByClient:
      return ExecResult::Cause::kKilledByClient;
    case EndCause::kSpawnFailed:
      return ExecResult::Cause::kSpawnFailed;
    case EndCause::kOomKilled:
      return ExecResult::Cause::kOomKilled;
    case EndCause::kPidsLimit:
      return ExecResult::Cause::kPidsLimit;
    case EndCause::kDiskFull:
      return ExecResult::Cause::kDiskFull;
    case EndCause::kNone:
      break;
  }
  return ExecResult::Cause::kSandboxGone;  // init said something that cannot be
}

ExecResult ResultOf(const ExecEnd& end, const ExecLimitValues& limits) {
  ExecResult result;
  result.cause = CauseOf(end.cause);
  if (end.signal > 0) {
    result.signal = end.signal;
  } else if (end.exit_code >= 0) {
    result.exit_code = end.exit_code;
  }
  result.core_dumped = end.core_dumped != 0;
  if (result.cause == ExecResult::Cause::kSpawnFailed) {
    // A number that is no step is nothing that a record could hold.
    const bool known = end.failed_step <= ExecStep::kInterpreter;
    result.failed_step = known ? end.failed_step : ExecStep::kNone;
    result.error = end.error;
  }
  SetLimitFacts(end, limits, &result);
  result.survivors = end.survivors;
  result.pipe_held = end.pipe_held != 0;
  result.user_us = end.user_us;
  result.system_us = end.system_us;
  // Any two numbers of init's: their difference need not fit into a signed one.
  if (end.ended_ns > end.started_ns) {
    result.wall_us =
        (static_cast<uint64_t>(end.ended_ns) - static_cast<uint64_t>(end.started_ns)) / 1000;
  }
  result.memory_peak_bytes = end.memory_peak_bytes;
  result.read_bytes = end.read_bytes;
  result.write_bytes = end.write_bytes;
  result.processes_max = end.limits.processes_max;
  std::copy(std::begin(end.bytes_total), std::end(end.bytes_total), result.bytes_total);
  std::copy(std::begin(end.bytes_dropped), std::end(end.bytes_dropped), result.bytes_dropped);
  result.last_sequence = end.frame_count;
  result.log_bytes = end.log_bytes;
  result.log_last_sequence = end.log_last_sequence;
  result.log_error = end.log_error;
  SetRefusedCalls(end, &result);
  return result;
}

ExecResult RefusedResult(const RefusedBody& refused) {
  ExecResult result;
  result.cause = ExecResult::Cause::kSpawnFailed;
  result.failed_step = ExecStep::kReadSpec;
  result.error = refused.error;
  return result;
}

}  // namespace

Exec::Exec(std::string id, uint32_t exec_no, ExecSpec spec, std::optional<OutputRegion> region,
           std::shared_ptr<InitClient> init)
    : id_(std::move(id)), exec_no_(exec_no), spec_(std::move(spec)), init_(std::move(init)) {
  absl::MutexLock lock(&mutex_);
  state_.id = id_;
  if (region.has_value()) region_ = std::make_shared<OutputRegion>(*std::move(region));
}

absl::StatusOr<std::shared_ptr<Exec>> Exec::Adopt(uint32_t exec_no, ExecRecord record,
                                                  OutputRegion region,
                                                  std::shared_ptr<InitClient> init) {
  // What a daemon would have made of this spec: so init cannot make us map or save more.
  if (!region.FitsSpec(record.spec)) {
    return DetailedError(absl::StatusCode::kDataLoss,
                         absl::StrCat("the output memory of exec ", record.exec_id,
                                      " is not of the size that was asked for"),
                         {"REGION_REFUSED", {}});
  }
  auto exec = std::make_shared<Exec>(std::move(record.exec_id), exec_no, std::move(record.spec),
                                     std::move(region), std::move(init));
  absl::MutexLock lock(&exec->mutex_);
  exec->changes_start_ = std::move(record.changes);
  exec->stdin_unknown_ = true;
  return exec;
}

std::shared_ptr<Exec> Exec::Restore(uint32_t exec_no, ExecRecord record, const ExecOutcome& outcome,
                                    std::shared_ptr<ExecArchiveStore> archives) {
  auto exec = std::make_shared<Exec>(std::move(record.exec_id), exec_no, std::move(record.spec),
                                     std::nullopt, nullptr);
  absl::MutexLock lock(&exec->mutex_);
  exec->state_.state = ExecSnapshot::State::kEnded;
  exec->state_.pid = outcome.pid;
  exec->state_.started_ns = outcome.started_ns;
  exec->state_.result = outcome.result;
  exec->stdin_sent_ = outcome.stdin_accepted;
  exec->stdin_written_ = outcome.stdin_written;
  exec->stdin_closed_ = true;
  exec->archives_ = std::move(archives);
  return exec;
}

ExecSnapshot Exec::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  ExecSnapshot now = state_;
  if (now.result.has_value()) {
    now.last_sequence = now.result->last_sequence;
  } else if (region_ != nullptr) {
    now.last_sequence = region_->last_sequence();
  }
  now.stdin_accepted = stdin_sent_;
  now.stdin_written = stdin_written_;
  return now;
}

uint64_t Exec::Watch(std::function<void()> callback) {
  {
    absl::MutexLock lock(&mutex_);
    if (!state_.result.has_value() && left_.ok()) {
      watches_[next_token_] = std::move(callback);
      return next_token_++;
    }
  }
  callback();
  return 0;
}

void Exec::Unwatch(uint64_t token) {
  std::function<void()> keep;  // destroyed outside the lock
  absl::MutexLock lock(&mutex_);
  if (auto it = watches_.find(token); it != watches_.end()) {
    keep = std::move(it->second);
    watches_.erase(it);
  }
}

void Exec::Notify() {
  std::map<uint64_t, std::function<void()>> due;
  {
    absl::MutexLock lock(&mutex_);
    due.swap(watches_);
  }
  for (auto& [token, callback] : due) callback();
}

absl::StatusOr<uint64_t> Exec::SendStdin(uint64_t offset, absl::string_view data, bool eof) {
  constexpr size_t kChunkMax = kFrameBodyMax - sizeof(StdinBody);
  if (offset < stdin_sent_) {
    const uint64_t repeated = std::min<uint64_t>(stdin_sent_ - offset, data.size());
    data.remove_prefix(repeated);
  }
  do {
    const uint64_t window = stdin_written_ + kStdinWindow - stdin_sent_;
    const size_t size = std::min<uint64_t>({data.size(), kChunkMax, window});
    const bool last = eof && size == data.size();
    if (size == 0 && (!last || stdin_eof_sent_)) break;
    const StdinBody head{stdin_sent_, last ? 1u : 0u, 0};
    RETURN_IF_ERROR(init_->Send(FrameKind::kStdin, exec_no_,
                                absl::StrCat(BytesOf(head), data.substr(0, size))));
    stdin_sent_ += size;
    stdin_eof_sent_ = last;
    data.remove_prefix(size);
  } while (!data.empty());
  return stdin_sent_;
}

absl::StatusOr<uint64_t> Exec::WriteStdin(uint64_t offset, absl::string_view data, bool eof) {
  absl::MutexLock lock(&mutex_);
  if (!spec_.stdin_open && !spec_.terminal.has_value()) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "the command was started without stdin; start it with stdin open",
                         {"NO_STDIN", {}});
  }
  if (offset > stdin_sent_) {
    return DetailedError(
        absl::StatusCode::kOutOfRange,
        absl::StrCat("stdin was taken up to ", stdin_sent_, "; offset ", offset, " leaves a gap"),
        {"STDIN_GAP", {{"accepted_offset", absl::StrCat(stdin_sent_)}}});
  }
  if (offset + data.size() <= stdin_sent_ && (!eof || stdin_eof_sent_)) return stdin_sent_;
  if (stdin_closed_ || stdin_eof_sent_ || state_.result.has_value()) {
    return DetailedError(absl::StatusCode::kFailedPrecondition, "the command's stdin is closed",
                         {"STDIN_CLOSED", {{"accepted_offset", absl::StrCat(stdin_sent_)}}});
  }
  return SendStdin(offset, data, eof);
}

absl::Status Exec::Signal(uint32_t signal, SignalScope scope) {
  if (signal == 0 || signal > 64) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         absl::StrCat("signal ", signal, " is not from 1 to 64"),
                         {"INVALID_FIELD", {}});
  }
  if (Snapshot().result.has_value()) {
    return DetailedError(absl::StatusCode::kFailedPrecondition, "the command has ended",
                         {"EXEC_ENDED", {}});
  }
  const SignalBody body{signal, scope};
  return init_->Send(FrameKind::kSignal, exec_no_, BytesOf(body));
}

absl::Status Exec::Resize(TerminalSize size) {
  if (!spec_.terminal.has_value()) {
    return DetailedError(absl::StatusCode::kFailedPrecondition, "the command has no terminal",
                         {"NO_TERMINAL", {}});
  }
  const ResizeBody body{size.rows, size.columns};
  return init_->Send(FrameKind::kResize, exec_no_, BytesOf(body));
}

void Exec::Finish(const ExecResult& result) {
  {
    absl::MutexLock lock(&mutex_);
    if (state_.result.has_value()) return;
    state_.state = ExecSnapshot::State::kEnded;
    state_.result = result;
    state_.result->changes = changes_;
    state_.result->refused_connections = std::exchange(refused_, {});
    state_.result->refused_connections_uncounted = refused_uncounted_;
    if (region_ != nullptr) last_shell_state_ = region_->shell_state();
    stdin_closed_ = true;
  }
  Notify();
}

void Exec::OnFrame(const InitFrame& frame, const ExecLimitValues& limits) {
  if (frame.kind == FrameKind::kEnd) {
    ExecResult result = ResultOf(frame.As<ExecEnd>(), limits);
    if (result.oom.has_value() && result.oom->victim == OomFacts::Victim::kLeader) {
      result.oom->program = spec_.arguments[0];
    }
    Finish(result);
    return;
  }
  if (frame.kind == FrameKind::kRefused) {
    Finish(RefusedResult(frame.As<RefusedBody>()));
    return;
  }
  if (frame.kind == FrameKind::kStarted) {
    const auto started = frame.As<StartedBody>();
    absl::MutexLock lock(&mutex_);
    if (state_.state != ExecSnapshot::State::kStarting) return;
    state_.state = ExecSnapshot::State::kRunning;
    state_.pid = started.pid;
    state_.started_ns = started.monotonic_ns;
  } else if (frame.kind == FrameKind::kStdinAck) {
    TakeStdinAck(frame.As<StdinAckBody>());
  }
  Notify();
}

void Exec::TakeStdinAck(const StdinAckBody& ack) {
  absl::MutexLock lock(&mutex_);
  if (std::exchange(stdin_unknown_, false)) {
    constexpr uint64_t kInputMax = uint64_t{1} << 62;
    stdin_written_ = std::min(ack.written, kInputMax);
    stdin_sent_ = std::clamp(ack.accepted, stdin_written_, stdin_written_ + kStdinWindow);
  }
  // Never beyond what was sent, whatever init says.
  stdin_written_ = std::clamp(ack.written, stdin_written_, stdin_sent_);
  stdin_closed_ = stdin_closed_ || ack.closed != 0;
}

void Exec::SetChangesStart(ChangesStart start) {
  absl::MutexLock lock(&mutex_);
  changes_start_ = std::move(start);
}

void Exec::NoteBeside() {
  absl::MutexLock lock(&mutex_);
  changes_start_.shared = true;
}

ChangesStart Exec::changes_start() const {
  absl::MutexLock lock(&mutex_);
  return changes_start_;
}

void Exec::SetChangesEnd(std::string cursor) {
  absl::MutexLock lock(&mutex_);
  changes_ = {changes_start_.cursor, std::move(cursor), changes_start_.shared};
}

void Exec::NoteRefused(const RefusedConnection& refused, uint64_t others) {
  absl::MutexLock lock(&mutex_);
  refused_uncounted_ += others;
  const auto same =
      std::find_if(refused_.begin(), refused_.end(), [&](const RefusedConnection& one) {
        return one.host == refused.host && one.port == refused.port && one.denial == refused.denial;
      });
  if (same != refused_.end()) {
    same->count += refused.count;
  } else if (refused_.size() < kDenialsMax) {
    refused_.push_back(refused);
  } else {
    refused_uncounted_ += refused.count;
  }
}

void Exec::OnSandboxGone() {
  ExecResult result;
  {
    absl::MutexLock lock(&mutex_);
    if (region_ != nullptr) {
      result.last_sequence = region_->last_sequence();
      const OutputRegion::Counts counts = region_->counts();
      std::copy(std::begin(counts.total), std::end(counts.total), result.bytes_total);
      std::copy(std::begin(counts.dropped), std::end(counts.dropped), result.bytes_dropped);
    }
  }
  Finish(result);
}

void Exec::OnDaemonLeaves(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    left_ = why;
  }
  Notify();
}

absl::Status Exec::left() const {
  absl::MutexLock lock(&mutex_);
  return left_;
}

void Exec::OpenLog(int disk_fd) {
  if (spec_.full_log_bytes == 0) return;
  absl::StatusOr<std::shared_ptr<const OutputLog>> log = OutputLog::Open(disk_fd, exec_no_);
  if (!log.ok()) return;
  absl::MutexLock lock(&mutex_);
  log_ = *std::move(log);
}

void Exec::CloseLog() {
  absl::MutexLock lock(&mutex_);
  log_.reset();
}

std::shared_ptr<const OutputLog> Exec::log() const {
  absl::MutexLock lock(&mutex_);
  return log_;
}

uint64_t Exec::AddPacer(uint64_t sequence, absl::string_view name) {
  uint64_t pacer = 0;
  bool resume = false;
  {
    absl::MutexLock lock(&mutex_);
    pacer = next_token_++;
    const bool first = pacers_.empty();
    pacers_[pacer] = {sequence, std::string(name)};
    // Of the first, the gate is armed wherever it stands.
    resume = MoveGate(first ? sequence : gate_);
  }
  if (resume) Resume();
  return pacer;
}

// To the slowest pacer, and never back: what was given up once is not held again.
bool Exec::MoveGate(uint64_t sequence) {
  for (const auto& [token, pacer] : pacers_) sequence = std::min(sequence, pacer.sequence);
  gate_ = std::max(gate_, sequence);
  return region_ != nullptr && region_->MoveGate(gate_);
}

void Exec::MovePacer(uint64_t pacer, uint64_t sequence) {
  bool resume = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = pacers_.find(pacer);
    if (it == pacers_.end() || sequence <= it->second.sequence) return;
    it->second.sequence = sequence;
    resume = MoveGate(sequence);
  }
  if (resume) Resume();
}

absl::Status Exec::Acknowledge(absl::string_view reader, uint64_t sequence) {
  const uint64_t last = Snapshot().last_sequence;
  if (sequence > last) {
    return DetailedError(
        absl::StatusCode::kOutOfRange,
        absl::StrCat("sequence ", sequence, " was never given; the last is ", last),
        {"SEQUENCE_IN_FUTURE", {{"field", "sequence"}, {"value", absl::StrCat(last)}}});
  }
  std::vector<uint64_t> tokens;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [token, pacer] : pacers_) {
      if (pacer.name == reader) tokens.push_back(token);
    }
  }
  for (const uint64_t token : tokens) MovePacer(token, sequence);
  return absl::OkStatus();
}

void Exec::RemovePacer(uint64_t pacer) {
  bool resume = false;
  {
    absl::MutexLock lock(&mutex_);
    pacers_.erase(pacer);
    if (pacers_.empty()) resume = region_ != nullptr && region_->OpenGate();
  }
  if (resume) Resume();  // init then waits for another pacer, not for ever
}

void Exec::Resume() {
  // Lost only with the connection, and init looks again when that is gone.
  if (init_ != nullptr) (void)init_->Send(FrameKind::kResume, exec_no_, "");
}

}  // namespace glovebox

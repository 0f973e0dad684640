#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "exec/exec.h"

namespace glovebox {
namespace {

absl::Status Corrupt() {
  return DetailedError(absl::StatusCode::kDataLoss,
                       "the output of this command cannot be read any more: the sandbox's init "
                       "broke the rules of its output memory",
                       {"OUTPUT_CORRUPT", {}});
}

// A record that is not output becomes its own kind of frame. False when init wrote nonsense.
bool ReadShellFrame(OutputFrame* frame) {
  if (frame->stream == OutputStream::kCommandStarted) {
    const std::optional<uint64_t> number = ReadCommandStart(frame->data);
    frame->kind = OutputFrame::Kind::kCommandStarted;
    frame->command_number = number.value_or(0);
    frame->data.clear();
    return number.has_value();
  }
  frame->kind = OutputFrame::Kind::kCommandEnded;
  frame->command = ReadCommandEnd(frame->data);
  frame->data.clear();
  return frame->command.has_value();
}

}  // namespace

OutputReader::OutputReader(std::shared_ptr<Exec> exec, uint64_t from_sequence, const Pace& pace)
    : exec_(std::move(exec)), acknowledges_(!pace.name.empty()), started_sent_(from_sequence > 1) {
  exec_->AddReader();
  if (const Exec::Source source = exec_->OpenSource(); source.region != nullptr) {
    source.region->Seek(&cursor_, from_sequence);
  } else {
    // The end is known then, and with it how far anybody can have read.
    const uint64_t last = exec_->Snapshot().last_sequence;
    cursor_.next_sequence = std::clamp<uint64_t>(from_sequence, 1, last + 1);
  }
  LocateInLog();
  if (pace.waits && exec_->spec().output_policy == OutputPolicy::kBackPressure) {
    paced_to_ = cursor_.next_sequence - 1;
    pacer_ = exec_->AddPacer(paced_to_, pace.name);
  }
}

OutputReader::~OutputReader() {
  CancelWatch();
  if (pacer_.has_value()) exec_->RemovePacer(*pacer_);
  exec_->RemoveReader();
}

// A cursor within what was dropped knows its sequence alone; the log's order tells the rest.
void OutputReader::LocateInLog() {
  const std::shared_ptr<const OutputLog> log = exec_->log();
  if (log == nullptr || cursor_.next_sequence <= 1) return;
  OutputRegion::Cursor ahead = cursor_;
  std::string ignored;
  const Exec::Source source = exec_->OpenSource();
  const bool kept = source.region != nullptr &&
                    source.region->Next(&ahead, &ignored).kind != OutputRecord::Kind::kGap;
  if (!kept) (void)log->Locate(&log_window_, &cursor_);  // not there: it stays a gap
}

OutputRecord OutputReader::TakeLogged(const OutputPosition& from, std::string* data) {
  const std::shared_ptr<const OutputLog> log = exec_->log();
  if (log == nullptr) return {};
  OutputPosition position = from;
  const OutputRecord record = log->Take(&log_window_, &position, data);
  if (record.kind != OutputRecord::Kind::kData) return {};
  static_cast<OutputPosition&>(cursor_) = position;
  if (archive_cursor_.has_value()) static_cast<OutputPosition&>(*archive_cursor_) = position;
  return record;
}

OutputRecord OutputReader::NextRecord(std::string* data) {
  const OutputPosition before = cursor_;
  const OutputRecord kept = NextKept(data);
  // Nothing more in an archive, or no archive: perhaps its limits took it away.
  const bool missing = kept.kind == OutputRecord::Kind::kGap ||
                       (kept.kind == OutputRecord::Kind::kNone && region_gone_);
  if (!missing) return kept;
  const OutputRecord logged = TakeLogged(before, data);
  return logged.kind == OutputRecord::Kind::kData ? logged : kept;
}

OutputRecord OutputReader::NextKept(std::string* data) {
  const Exec::Source source = exec_->OpenSource();
  if (source.region != nullptr) return source.region->Next(&cursor_, data);
  region_gone_ = true;
  if (source.archive == nullptr) return {};
  if (!archive_cursor_.has_value()) {
    static_cast<OutputPosition&>(archive_cursor_.emplace()) = cursor_;
  }
  const OutputRecord record = source.archive->Next(&*archive_cursor_, data);
  static_cast<OutputPosition&>(cursor_) = *archive_cursor_;
  return record;
}

// What is missing at the end: it was not kept, or what kept it is gone.
std::optional<OutputFrame> OutputReader::LastGap(const ExecSnapshot& ended) {
  const ExecResult& result = *ended.result;
  if (cursor_.next_sequence > result.last_sequence) return std::nullopt;
  OutputFrame frame;
  frame.kind = OutputFrame::Kind::kGap;
  frame.sequence = cursor_.next_sequence;
  frame.sequence_to = result.last_sequence;
  const uint64_t total = result.bytes_total[0] + result.bytes_total[1];
  if (total > cursor_.bytes_seen) frame.gap_bytes = total - cursor_.bytes_seen;
  // Unsigned: of two numbers of init's the sum need not fit.
  frame.monotonic_ns =
      static_cast<int64_t>(static_cast<uint64_t>(ended.started_ns) + result.wall_us * 1000);
  cursor_.next_sequence = result.last_sequence + 1;
  cursor_.bytes_seen += frame.gap_bytes;
  return frame;
}

absl::StatusOr<std::optional<OutputFrame>> OutputReader::NextOfAll() {
  if (end_sent_) return std::nullopt;
  // The state is taken before the output: an end that is known now means that all output is there
  // now.
  const ExecSnapshot snapshot = exec_->Snapshot();
  OutputFrame frame;
  if (!started_sent_ && snapshot.pid.has_value()) {
    started_sent_ = true;
    frame.kind = OutputFrame::Kind::kStarted;
    frame.monotonic_ns = snapshot.started_ns;
    return frame;
  }
  const OutputRecord record = NextRecord(&frame.data);
  if (pacer_.has_value() && !acknowledges_ && cursor_.next_sequence - 1 > paced_to_) {
    paced_to_ = cursor_.next_sequence - 1;
    exec_->MovePacer(*pacer_, paced_to_);
  }
  switch (record.kind) {
    case OutputRecord::Kind::kCorrupt:
      end_sent_ = true;
      return Corrupt();
    case OutputRecord::Kind::kData:
      frame.kind = OutputFrame::Kind::kData;
      frame.stream = record.stream;
      frame.sequence = record.sequence;
      frame.monotonic_ns = record.monotonic_ns;
      if (CarriesOutput(record.stream) || ReadShellFrame(&frame)) return frame;
      end_sent_ = true;
      return Corrupt();
    case OutputRecord::Kind::kGap:
      frame.kind = OutputFrame::Kind::kGap;
      frame.sequence = record.sequence;
      frame.sequence_to = record.sequence_to;
      frame.gap_bytes = record.gap_bytes;
      frame.monotonic_ns = record.monotonic_ns;
      return frame;
    case OutputRecord::Kind::kNone:
      break;
  }
  if (!snapshot.result.has_value()) {
    absl::Status left = exec_->left();
    if (left.ok()) return std::nullopt;
    end_sent_ = true;
    return left;
  }
  if (std::optional<OutputFrame> gap = LastGap(snapshot)) return gap;
  end_sent_ = true;
  frame.kind = OutputFrame::Kind::kEnd;
  frame.last = true;
  frame.sequence = cursor_.next_sequence;
  frame.result = snapshot.result;
  return frame;
}

// Whether a reader that follows one command gets `frame`.
absl::StatusOr<bool> OutputReader::IsOfCommand(OutputFrame* frame) {
  const uint64_t number = *command_;
  bool passed = false;
  switch (frame->kind) {
    case OutputFrame::Kind::kStarted:
      return false;
    case OutputFrame::Kind::kEnd:
      return true;
    case OutputFrame::Kind::kData:
      return command_seen_;
    case OutputFrame::Kind::kGap: {
      command_seen_ = true;
      const ShellState latest = exec_->Shell();
      if (latest.number == number && latest.end.has_value() &&
          latest.ended_sequence <= frame->sequence_to) {
        owed_.emplace();
        owed_->kind = OutputFrame::Kind::kCommandEnded;
        owed_->sequence = latest.ended_sequence;
        owed_->monotonic_ns = frame->monotonic_ns;
        owed_->command = latest.end;
        owed_->last = true;
      }
      return true;
    }
    case OutputFrame::Kind::kCommandStarted:
      command_seen_ = command_seen_ || frame->command_number == number;
      passed = frame->command_number > number;
      if (!passed) return frame->command_number == number;
      break;
    case OutputFrame::Kind::kCommandEnded:
      frame->last = frame->command->number == number;
      passed = frame->command->number > number;
      if (!passed) return frame->last;
      break;
  }
  return DetailedError(
      absl::StatusCode::kDataLoss,
      absl::StrCat("the end of command ", number, " is no longer retained: it was read too slowly"),
      {"COMMAND_END_DROPPED", {{"value", absl::StrCat(number)}}});
}

absl::StatusOr<std::optional<OutputFrame>> OutputReader::Next() {
  for (;;) {
    if (owed_.has_value()) {
      end_sent_ = true;
      return std::exchange(owed_, std::nullopt);
    }
    ASSIGN_OR_RETURN(std::optional<OutputFrame> frame, NextOfAll());
    if (!frame.has_value() || !command_.has_value()) return frame;
    ASSIGN_OR_RETURN(const bool wanted, IsOfCommand(&*frame));
    if (frame->last) end_sent_ = true;
    if (wanted) return frame;
  }
}

absl::StatusOr<std::optional<OutputFrame>> OutputReader::NextOrWatch(
    const std::function<void()>& callback) {
  ASSIGN_OR_RETURN(std::optional<OutputFrame> frame, Next());
  if (frame.has_value() || end_sent_) return frame;
  // Watch first, arm second, look third: whatever comes after the look finds both in place.
  watch_ = exec_->Watch(callback);
  for (;;) {
    const Exec::Source source = exec_->OpenSource();
    const bool more = source.region != nullptr && source.region->ArmWakeUp(cursor_);
    ASSIGN_OR_RETURN(frame, Next());
    if (frame.has_value()) CancelWatch();
    if (frame.has_value() || !more) return frame;
  }
}

void OutputReader::CancelWatch() {
  if (watch_ != 0) exec_->Unwatch(std::exchange(watch_, 0));
}

}  // namespace glovebox

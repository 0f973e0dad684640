#include <utility>

#include "base/status.h"
#include "exec/exec.h"

namespace glovebox {

OutputReader::OutputReader(std::shared_ptr<Exec> exec, uint64_t from_sequence, bool paces)
    : exec_(std::move(exec)), started_sent_(from_sequence > 1) {
  exec_->region_.Seek(&cursor_, from_sequence);
  if (paces && exec_->spec().output_policy == OutputPolicy::kBackPressure) {
    pacer_ = exec_->AddPacer();
  }
}

OutputReader::~OutputReader() {
  CancelWatch();
  if (pacer_.has_value()) exec_->RemovePacer(*pacer_);
}

absl::StatusOr<std::optional<OutputFrame>> OutputReader::Next() {
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
  const OutputRegion::Record record = exec_->region_.Next(&cursor_, &frame.data);
  if (pacer_.has_value() && cursor_.ring_position.value_or(0) > paced_to_) {
    paced_to_ = *cursor_.ring_position;
    exec_->MovePacer(*pacer_, paced_to_);
  }
  switch (record.kind) {
    case OutputRegion::Record::Kind::kCorrupt:
      end_sent_ = true;
      return DetailedError(absl::StatusCode::kDataLoss,
                           "the output of this command cannot be read any more: the sandbox's init "
                           "broke the rules of its output memory",
                           {"OUTPUT_CORRUPT", {}});
    case OutputRegion::Record::Kind::kData:
      frame.kind = OutputFrame::Kind::kData;
      frame.stream = record.stream;
      frame.sequence = record.sequence;
      frame.monotonic_ns = record.monotonic_ns;
      return frame;
    case OutputRegion::Record::Kind::kGap:
      frame.kind = OutputFrame::Kind::kGap;
      frame.sequence = record.sequence;
      frame.sequence_to = record.sequence_to;
      frame.gap_bytes = record.gap_bytes;
      frame.monotonic_ns = record.monotonic_ns;
      return frame;
    case OutputRegion::Record::Kind::kNone:
      break;
  }
  if (!snapshot.result.has_value()) return std::nullopt;
  end_sent_ = true;
  frame.kind = OutputFrame::Kind::kEnd;
  frame.sequence = cursor_.next_sequence;
  frame.result = snapshot.result;
  return frame;
}

absl::StatusOr<std::optional<OutputFrame>> OutputReader::NextOrWatch(
    const std::function<void()>& callback) {
  ASSIGN_OR_RETURN(std::optional<OutputFrame> frame, Next());
  if (frame.has_value() || end_sent_) return frame;
  // Watch first, arm second, look third: whatever comes after the look finds both in place.
  watch_ = exec_->Watch(callback);
  for (;;) {
    const bool more = exec_->region_.ArmWakeUp(cursor_);
    ASSIGN_OR_RETURN(frame, Next());
    if (frame.has_value()) CancelWatch();
    if (frame.has_value() || !more) return frame;
  }
}

void OutputReader::CancelWatch() {
  if (watch_ != 0) exec_->Unwatch(std::exchange(watch_, 0));
}

}  // namespace glovebox

#include "service/frame_pump.h"

#include <utility>

#include "service/request_error.h"

namespace glovebox {

void FramePump::Start(std::unique_ptr<OutputReader> reader, bool follow) {
  reader_ = std::move(reader);
  follow_ = follow;
  if (!follow) until_sequence_ = reader_->exec()->Snapshot().last_sequence;
  started_.store(true, std::memory_order_release);
  Run();
}

void FramePump::Fail(const absl::Status& status) {
  failure_ = status;
  started_.store(true, std::memory_order_release);
  Run();
}

void FramePump::OnWritten(bool ok) {
  if (!ok) cancelled_.store(true, std::memory_order_release);
  writing_.store(false, std::memory_order_release);
  Run();
}

void FramePump::OnCancel() {
  cancelled_.store(true, std::memory_order_release);
  Run();
}

void FramePump::Run() {
  const auto self =
      shared_from_this();  // the call that owns this object may go during its last step
  if (!turn_.Begin()) return;
  do {
    Step();
  } while (!turn_.End());
}

void FramePump::Step() {
  // A write in flight is answered by OnWritten, also when the client has gone.
  if (finished_ || !started_.load(std::memory_order_acquire) ||
      writing_.load(std::memory_order_acquire)) {
    return;
  }
  if (!failure_.ok()) return End(failure_);
  if (cancelled_.load(std::memory_order_acquire)) return End(CallCancelled());
  absl::StatusOr<std::optional<OutputFrame>> next = NextFrame();
  if (!next.ok()) return End(next.status());
  if (!next->has_value()) {
    if (!follow_) End(absl::OkStatus());
    return;  // the exec calls Run when it is worth looking again
  }
  OutputFrame frame = *std::move(*next);
  if (frame.last) {
    finished_ = true;
    reader_.reset();
    return sink_->WriteLast(std::move(frame));
  }
  // A command that writes faster than the client reads would never be caught up with.
  const bool output =
      frame.kind == OutputFrame::Kind::kData || frame.kind == OutputFrame::Kind::kGap;
  if (!follow_ && output && frame.sequence > until_sequence_) return End(absl::OkStatus());
  if (frame.kind == OutputFrame::Kind::kData) Join(&frame);
  writing_.store(true, std::memory_order_release);
  sink_->Write(std::move(frame));
}

absl::StatusOr<std::optional<OutputFrame>> FramePump::NextFrame() {
  if (held_.has_value()) return *std::exchange(held_, std::nullopt);
  if (!follow_) return reader_->Next();
  return reader_->NextOrWatch([self = shared_from_this()] { self->Run(); });
}

void FramePump::Join(OutputFrame* frame) {
  while (frame->data.size() < kJoinedBytesMax) {
    absl::StatusOr<std::optional<OutputFrame>> next = reader_->Next();
    if (next.ok() && !next->has_value()) return;
    const bool same =
        next.ok() && (*next)->kind == OutputFrame::Kind::kData && (*next)->stream == frame->stream;
    if (!same) {
      held_ = std::move(next);
      return;
    }
    frame->data.append((*next)->data);
    frame->sequence = (*next)->sequence;
    frame->monotonic_ns = (*next)->monotonic_ns;
  }
}

void FramePump::End(const absl::Status& status) {
  finished_ = true;
  reader_.reset();  // takes back its callback, which holds this object
  sink_->Finish(status);
}

}  // namespace glovebox

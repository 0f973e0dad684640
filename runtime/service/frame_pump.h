// Moves an exec's frames to a client: one write in flight, the next frame is fetched when it is
// done, so a slow client holds one frame of memory and nothing else.
#ifndef GLOVEBOX_SERVICE_FRAME_PUMP_H_
#define GLOVEBOX_SERVICE_FRAME_PUMP_H_

#include <atomic>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "base/turn.h"
#include "exec/exec.h"

namespace glovebox {

// Where frames go. Called by one thread at a time, and not again after WriteLast or Finish.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual void Write(OutputFrame frame) = 0;      // then OnWritten, later, on any thread
  virtual void WriteLast(OutputFrame frame) = 0;  // ends the call with OK
  virtual void Finish(const absl::Status& status) = 0;
};

// Thread-safe. Shared by the call and by the callbacks that it leaves with the exec, which may come
// after the call is gone; the sink is not touched then.
class FramePump : public std::enable_shared_from_this<FramePump> {
 public:
  explicit FramePump(FrameSink* sink) : sink_(sink) {}

  // Once. `follow`: wait for more until the end; else Finish after what there is now.
  void Start(std::unique_ptr<OutputReader> reader, bool follow);
  // Once, instead of Start.
  void Fail(const absl::Status& status);

  // The write before Start or by the sink has been done; !ok: the connection is gone.
  void OnWritten(bool ok);
  // A write is made that is not this object's own, before Start.
  void MarkWriting() { writing_.store(true, std::memory_order_release); }
  // The client has gone.
  void OnCancel();
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  // Pieces of one stream are joined up to this size: fewer messages for the same bytes.
  static constexpr size_t kJoinedBytesMax = 128 * 1024;

  void Run();
  void Step();
  absl::StatusOr<std::optional<OutputFrame>> NextFrame();
  void Join(OutputFrame* frame);
  void End(const absl::Status& status);

  FrameSink* const sink_;
  Turn turn_;
  std::atomic<bool> started_ = false;
  std::atomic<bool> writing_ = false;
  std::atomic<bool> cancelled_ = false;

  // Of the thread that has the turn (and of Start and Fail before started_).
  std::unique_ptr<OutputReader> reader_;
  std::optional<absl::StatusOr<std::optional<OutputFrame>>> held_;  // looked at while joining
  absl::Status failure_;
  bool follow_ = true;
  uint64_t until_sequence_ = 0;  // without follow_: what there was at the start
  bool finished_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_FRAME_PUMP_H_

#include "tools/glovebox/acknowledger.h"

#include <chrono>
#include <utility>

#include "tools/glovebox/reconnect.h"

namespace glovebox {
namespace {

constexpr absl::Duration kCallTime = absl::Seconds(10);
// An eighth of what is kept of each stream by default; the command waits at half.
constexpr uint64_t kOutputBytes = 128 << 10;
constexpr uint64_t kErrorBytes = 32 << 10;
// With smaller tails the command may wait so long.
constexpr auto kLatest = std::chrono::milliseconds(20);
constexpr uint64_t kBytesPerPiece = 40;  // beside its data: docs/output.md, and padding

}  // namespace

FrameExtent ExtentOf(const v1::Frame& frame) {
  if (frame.has_end()) return {};  // nothing waits for it
  return {frame.sequence(), frame.stdout().size() + frame.terminal().size(), frame.stderr().size()};
}

Acknowledger::Acknowledger(Connection& connection, v1::AcknowledgeOutputRequest request)
    : connection_(connection), request_(std::move(request)), control_(kCallTime) {}

Acknowledger::~Acknowledger() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  control_.Cancel();
  thread_.join();
}

void Acknowledger::Took(const FrameExtent& frame) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (frame.sequence <= taken_) return;
    const uint64_t pieces = (frame.sequence - taken_) * kBytesPerPiece;
    output_bytes_ += frame.output_bytes + (frame.error_bytes == 0 ? pieces : 0);
    error_bytes_ += frame.error_bytes + (frame.error_bytes == 0 ? 0 : pieces);
    taken_ = frame.sequence;
  }
  changed_.notify_one();
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void Acknowledger::Run() {
  Backoff backoff;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || taken_ > acknowledged_; });
    changed_.wait_for(lock, kLatest, [this] {
      return stop_ || output_bytes_ >= kOutputBytes || error_bytes_ >= kErrorBytes;
    });
    if (stop_) return;
    output_bytes_ = error_bytes_ = 0;
    request_.set_sequence(taken_);
    lock.unlock();
    v1::AcknowledgeOutputResponse response;
    const absl::Status status = Call(connection_, request_, &response, &control_);
    // Whatever the reason (the daemon is being replaced, or has too many calls in hand): again.
    // Whoever reads the output finds out what is final.
    if (status.ok()) {
      backoff.Reset();
    } else {
      (void)WaitToTryAgain(connection_, control_, backoff.Next());
    }
    lock.lock();
    if (status.ok()) acknowledged_ = request_.sequence();
  }
}

}  // namespace glovebox

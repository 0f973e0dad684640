// The daemon's end of a sandbox's socket: whole, checked frames (init/frames.h).
#ifndef GLOVEBOX_LAUNCHER_INIT_CLIENT_H_
#define GLOVEBOX_LAUNCHER_INIT_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "init/frames.h"

namespace glovebox {

// A frame from init that fits its kind: the body has the size that the kind demands.
struct InitFrame {
  FrameKind kind = FrameKind::kHelloAck;
  uint32_t exec_no = 0;
  std::string body;
  UniqueFd descriptor;  // kHeld: the region; kSocket without error: what init says is the socket

  // The body as the flat struct of this kind; the caller knows the kind.
  template <typename Body>
  Body As() const {
    Body value;
    __builtin_memcpy(&value, body.data(), sizeof value);
    return value;
  }
};

// What init holds, as told after kHello.
struct HeldExecs {
  std::map<uint32_t, UniqueFd> regions;  // by exec_no
  std::vector<InitFrame> frames;         // kStarted, kStdinAck, kEnd of those, in order
};

// Send is thread-safe (one message is one system call); Receive is for one thread at a time.
class InitClient {
 public:
  // Connects to the socket at `path` and sends kHello with these `counters` (init/frames.h);
  // without any init keeps those that it has. It may be called before init accepts: the listening
  // socket is the daemon's own, and the kernel queues.
  static absl::StatusOr<std::unique_ptr<InitClient>> Connect(const std::string& path,
                                                             const std::vector<int>& counters = {});

  int fd() const { return socket_.get(); }

  // The one that both speak; 0 until Receive has had the answer to kHello. Thread-safe.
  uint32_t version() const { return version_.load(std::memory_order_acquire); }

  // UNAVAILABLE when init does not take messages any more (it hangs or is gone).
  absl::Status Send(FrameKind kind, uint32_t exec_no, absl::string_view body,
                    const std::vector<int>& fds = {});

  // The next frame, nullopt when there is none now. DATA_LOSS: init broke the protocol;
  // UNAVAILABLE: it closed; FAILED_PRECONDITION with reason INIT_VERSION: it speaks no version that
  // we do; RESOURCE_EXHAUSTED with reason DESCRIPTORS_EXHAUSTED: this process has no descriptor
  // left to take the frame's (the frame is lost; a new connection tells it again).
  absl::StatusOr<std::optional<InitFrame>> Receive();

  // For a daemon that takes over: waits for everything that init holds. To be called once, before
  // anything is sent. Besides Receive's errors DEADLINE_EXCEEDED after `timeout_ms`.
  absl::StatusOr<HeldExecs> CollectHeld(int timeout_ms);

 private:
  explicit InitClient(UniqueFd socket);
  absl::Status FollowReply(const InitFrame& frame);

  UniqueFd socket_;
  // Of the reply to kHello.
  enum class Reply { kAwaited, kHeldExecs, kComplete };
  Reply reply_ = Reply::kAwaited;
  std::atomic<uint32_t> version_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LAUNCHER_INIT_CLIENT_H_

// Sockets of one sandbox's network namespace, which its init makes, and who uses them.
#ifndef GLOVEBOX_SANDBOX_SANDBOX_SOCKETS_H_
#define GLOVEBOX_SANDBOX_SANDBOX_SOCKETS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/unique_fd.h"
#include "launcher/init_client.h"

namespace glovebox {

// How many places there are in all sandboxes together. Thread-safe.
class SocketBudget {
 public:
  explicit SocketBudget(uint64_t max) : max_(max) {}
  uint64_t max() const { return max_; }
  bool Take() {
    if (taken_.fetch_add(1) < max_) return true;
    taken_.fetch_sub(1);
    return false;
  }
  void GiveBack() { taken_.fetch_sub(1); }

 private:
  const uint64_t max_;
  std::atomic<uint64_t> taken_ = 0;
};

// Thread-safe. No callback is made under a lock of this class; none may block.
class SandboxSockets : public std::enable_shared_from_this<SandboxSockets> {
 public:
  // For each sandbox: forwarded connections and waits for ports.
  static constexpr size_t kPlacesMax = 128;

  using Made = std::function<void(absl::StatusOr<UniqueFd>)>;
  using Ended = std::function<void(const absl::Status&)>;

  // Among those who use this sandbox's sockets; given back on destruction.
  class Place {
   public:
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    // Asks init for a socket. `made` is called once, on any thread, perhaps before this returns:
    // what it gets is from init, so the caller checks that it is what was asked for.
    // FAILED_PRECONDITION with reason CAPABILITY_MISSING: the sandbox's init is of a release before
    // this; SANDBOX_STOPPED. RESOURCE_EXHAUSTED with reason DESCRIPTORS_EXHAUSTED. Init's own
    // errno: SYSTEM_CALL_FAILED.
    void Open(SocketKind kind, uint16_t port, Made made);

    // Held by who asks on a socket of kDiag: there is one for the whole sandbox.
    absl::Mutex& asking() const { return sockets_->asking_; }

   private:
    friend class SandboxSockets;
    Place(std::shared_ptr<SandboxSockets> sockets, uint64_t number)
        : sockets_(std::move(sockets)), number_(number) {}
    const std::shared_ptr<SandboxSockets> sockets_;
    const uint64_t number_;
  };

  // `budget` may be null.
  SandboxSockets(std::shared_ptr<InitClient> init, SocketBudget* budget)
      : init_(std::move(init)), budget_(budget) {}

  // `ended` is called once, unless the place is given back before, when the sandbox stops, goes or
  // is left to the next daemon; at once when that has happened. RESOURCE_EXHAUSTED with reason
  // FORWARD_LIMIT.
  absl::StatusOr<std::unique_ptr<Place>> Enter(const Ended& ended) ABSL_LOCKS_EXCLUDED(mutex_);

  // --- for the sandbox ---
  // As Place::Open, for what is the sandbox's own and counts for nobody; few at a time.
  void OpenForDaemon(SocketKind kind, uint16_t port, Made made) ABSL_LOCKS_EXCLUDED(mutex_) {
    Open({0, kind, port, std::move(made)});
  }
  // kHelloAck has come.
  void OnHello() ABSL_LOCKS_EXCLUDED(mutex_) { SendAsked(); }
  // kSocket. DATA_LOSS: nothing of the kind was asked for.
  absl::Status OnAnswer(InitFrame frame) ABSL_LOCKS_EXCLUDED(mutex_);
  // This process had no room for the descriptor that an answer came with.
  void OnDescriptorLost() ABSL_LOCKS_EXCLUDED(mutex_);
  // Nothing more will be had. The first one counts.
  void End(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Request {
    uint64_t number = 0;
    SocketKind kind = SocketKind::kConnectIpv4;
    uint16_t port = 0;
    Made made;
  };

  void Open(Request request) ABSL_LOCKS_EXCLUDED(mutex_);
  void SendAsked() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Send(const Request& request) const;
  void GiveBack(uint64_t place) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<InitClient> init_;
  SocketBudget* const budget_;
  absl::Mutex asking_;
  mutable absl::Mutex mutex_;
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Ended> places_ ABSL_GUARDED_BY(mutex_);
  // Each place asks for one at a time, and the sandbox for few, so both are bounded.
  std::deque<Request> asked_ ABSL_GUARDED_BY(mutex_);  // not sent yet
  std::deque<Request> sent_ ABSL_GUARDED_BY(mutex_);   // at most kSocketsAskedMax, in order
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SANDBOX_SOCKETS_H_

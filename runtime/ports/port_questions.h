// What listens in a sandbox: questions to the kernel, over a socket that the sandbox's init opened.
#ifndef GLOVEBOX_PORTS_PORT_QUESTIONS_H_
#define GLOVEBOX_PORTS_PORT_QUESTIONS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "linux/socket_diag.h"
#include "sandbox/sandbox.h"

namespace glovebox {

struct PortListener {
  ListeningSocket socket;
  std::string exec_id;  // whose command made the socket; "": not known
};

struct PortListing {
  std::vector<PortListener> listeners;  // by port, address and inode
  uint64_t omitted = 0;                 // more than kPortListenersMax
};
inline constexpr size_t kPortListenersMax = 16384;

// Of one call. Thread-safe; who shares the socket can make a question take its whole time, so it is
// asked where the sandbox has but a share of the threads.
class PortQuestions : public std::enable_shared_from_this<PortQuestions> {
 public:
  // `on_news` is called when questions can be asked, and when the sandbox has ended or is left: on
  // any thread, perhaps before this returns. It must not block. Errors of Sandbox::EnterSockets.
  static absl::StatusOr<std::shared_ptr<PortQuestions>> Begin(std::shared_ptr<Sandbox> sandbox,
                                                              std::function<void()> on_news);

  // UNAVAILABLE with reason PORTS_UNKNOWN: it took longer.
  absl::Status AwaitReady(absl::Duration within) ABSL_LOCKS_EXCLUDED(mutex_);

  // What a connection to `port` of the sandbox's 127.0.0.1 or ::1 would reach. nullopt: nothing.
  // UNAVAILABLE with reason PORTS_UNKNOWN when somebody else asks, and before it is ready; what the
  // sandbox ended with; errors of SandboxSockets::Place::Open; errors of SocketDiag;
  // FAILED_PRECONDITION with reason CAPABILITY_MISSING for an init that does not know such sockets.
  // DATA_LOSS: what init opened is something else.
  absl::StatusOr<std::optional<PortListener>> Find(uint16_t port) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits while somebody else asks, and is busy for SocketDiag::kListedWithinMs at most.
  absl::StatusOr<PortListing> List() ABSL_LOCKS_EXCLUDED(mutex_);
  // As List, but waits for nobody: PORTS_UNKNOWN, as Find.
  absl::StatusOr<PortListing> TryList() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  PortQuestions(std::shared_ptr<Sandbox> sandbox, std::function<void()> on_news)
      : sandbox_(std::move(sandbox)), on_news_(std::move(on_news)) {}
  void OnMade(absl::StatusOr<UniqueFd> made) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnEnded(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return diag_.has_value() || !failure_.ok();
  }
  // What to ask on; it stays.
  absl::StatusOr<SocketDiag*> Diag() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<PortListing> Describe(absl::StatusOr<SocketListing> found) const;

  const std::shared_ptr<Sandbox> sandbox_;
  const std::function<void()> on_news_;
  std::unique_ptr<SandboxSockets::Place> place_;  // set by Begin
  absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::optional<SocketDiag> diag_ ABSL_GUARDED_BY(mutex_);  // set once; used by who holds asking()
  bool checked_ = false;  // the kernel answers such questions; of who holds asking()
};

}  // namespace glovebox

#endif  // GLOVEBOX_PORTS_PORT_QUESTIONS_H_

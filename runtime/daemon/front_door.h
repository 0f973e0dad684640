// The TCP port, as the daemon sees it: a glovebox-front that hands over connections whose clients
// are known, and its successor when it ends.
#ifndef GLOVEBOX_DAEMON_FRONT_DOOR_H_
#define GLOVEBOX_DAEMON_FRONT_DOOR_H_

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "base/unique_fd.h"
#include "daemon/front_message.h"
#include "daemon/front_process.h"
#include "daemon/logging.h"
#include "daemon/refusal_log.h"
#include "daemon/restart_delay.h"
#include "linux/seqpacket.h"

namespace glovebox {

class FrontDoor {
 public:
  // Takes over a connected socket that does not block, or says why not. On the door's thread.
  using Admit = std::function<absl::Status(const FrontEvent& connection, UniqueFd socket)>;

  // Returns when the first front accepts.
  static absl::StatusOr<std::unique_ptr<FrontDoor>> Start(FrontParts parts, Admit admit,
                                                          const Log* log);
  ~FrontDoor();  // ends the front, and with it the connections

  // No new connections, none is handed to `admit` any more; open ones go on. Any thread.
  void StopAccepting();

 private:
  FrontDoor(FrontParts parts, Admit admit, const Log* log, UniqueFd wake);
  void Run(absl::Notification* started, absl::Status* first);
  std::unique_ptr<FrontProcess> StartAgain();
  void Serve(FrontProcess* front);
  bool TakeMessage(FrontProcess* front);
  absl::Status Take(Packet packet);
  bool WaitForWake(int timeout_ms);

  FrontParts parts_;
  const Admit admit_;
  const Log* const log_;
  RefusalLog refusals_;
  const UniqueFd wake_;  // eventfd: stopping_ or ending_ has changed
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> ending_ = false;
  RestartDelay restart_delay_;  // of the thread alone
  // Last: it uses all of the above. It starts every front, because a front dies with the thread
  // that started it.
  std::thread thread_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_FRONT_DOOR_H_

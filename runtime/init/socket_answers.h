// Sockets that the daemon asks for, made in the sandbox's network namespace.
#ifndef GLOVEBOX_INIT_SOCKET_ANSWERS_H_
#define GLOVEBOX_INIT_SOCKET_ANSWERS_H_

#include <errno.h>

#include "base/unique_fd.h"
#include "init/connection.h"
#include "init/frames.h"

namespace glovebox {

// Each a descriptor, or why there is none (-errno).
struct DiagSockets {
  long ports = -ENOTSUP;    // SocketKind::kDiag
  long clients = -ENOTSUP;  // SocketKind::kDiagOfClients
};

// What was made and not sent yet, in the order of the requests. Nothing here waits for anybody: a
// connection is only begun.
class SocketAnswers {
 public:
  void KeepDiags(const DiagSockets& diags);
  // False: the daemon asks for more at once than it may.
  bool Take(const OpenSocketBody& asked);
  // True when every answer was sent.
  bool Flush(Connection* connection);
  // Who asked is gone.
  void Forget();

 private:
  struct Answer {
    SocketBody body;
    UniqueFd socket;
  };

  long OpenSocket(const OpenSocketBody& asked) const;

  DiagSockets diags_;  // kept for as long as init lives
  Answer owed_[kSocketsAskedMax] = {};
  uint32_t first_ = 0;
  uint32_t count_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_SOCKET_ANSWERS_H_

// The daemon's connection: one at a time, one frame per message, nothing ever blocks.
#ifndef GLOVEBOX_INIT_CONNECTION_H_
#define GLOVEBOX_INIT_CONNECTION_H_

#include <cstdint>

#include "base/unique_fd.h"
#include "init/frames.h"

namespace glovebox {

inline constexpr uint32_t kFrameFdsMax = 4;
inline constexpr uint32_t kStartFdsMin = 3;

struct ReceivedFrame {
  FrameHeader header{};
  char* body = nullptr;  // kFrameBodyMax bytes, the receiver's
  UniqueFd fds[kFrameFdsMax];
  uint32_t fd_count = 0;
};

enum class ReceiveResult {
  kFrame,
  kNothing,  // would block
  kBroken,   // end of the connection, or a message that is no frame
};

class Connection {
 public:
  bool connected() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }

  // Takes the next connection of the listening socket in place of the present one. False when
  // there is none, or when its peer is not the daemon: the daemon's uid is not mapped here (shown
  // as the overflow uid 65534) and its pid is not in this pid namespace (shown as 0), while a
  // process of the sandbox whose own uid is 65534 has a pid here.
  bool Accept(int listen_fd);
  void Drop() { fd_.Reset(); }

  ReceiveResult Receive(ReceivedFrame* frame);
  // `descriptor` travels along unless it is -1. False when the socket takes no more now; a broken
  // socket is dropped. A frame to a peer that is gone counts as sent, since one that it has not
  // read is as lost: the next daemon asks again, and what the old one had sent can still be
  // received. `*refused` is set, and nothing was sent, when too many descriptors of this user are
  // on their way already, which payloads with the same user can bring about; without it that breaks
  // the connection.
  bool Send(FrameKind kind, uint32_t exec_no, const void* body, uint32_t size, int descriptor = -1,
            bool* refused = nullptr);

 private:
  UniqueFd fd_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_INIT_CONNECTION_H_

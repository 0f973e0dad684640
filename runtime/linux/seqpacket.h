// SOCK_SEQPACKET unix sockets: whole messages with descriptors attached.
#ifndef GLOVEBOX_LINUX_SEQPACKET_H_
#define GLOVEBOX_LINUX_SEQPACKET_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

struct Packet {
  std::string bytes;  // empty: the other side closed
  std::vector<UniqueFd> fds;
};

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeSeqpacketPair();

// A listening socket bound to `path` (at most 107 bytes; an existing socket file there is
// replaced), mode 0600.
absl::StatusOr<UniqueFd> ListenSeqpacket(const std::string& path);

absl::StatusOr<UniqueFd> ConnectSeqpacket(const std::string& path);

// Whether that is why nothing was sent or received: a non-blocking socket is full or empty.
bool WouldBlock(const absl::Status& status);

// One message. UNAVAILABLE with reason WOULD_BLOCK on a full non-blocking socket.
absl::Status SendPacket(int fd, absl::string_view bytes, const std::vector<int>& fds);

// One message of at most `bytes_max` bytes and `fds_max` descriptors; a longer or fuller one is
// DATA_LOSS, one whose descriptors this process has no room for RESOURCE_EXHAUSTED with reason
// DESCRIPTORS_EXHAUSTED. Waits at most `timeout_ms` (-1: for ever, but UNAVAILABLE with reason
// WOULD_BLOCK on an empty non-blocking socket): DEADLINE_EXCEEDED.
absl::StatusOr<Packet> ReceivePacket(int fd, size_t bytes_max, size_t fds_max, int timeout_ms);

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_SEQPACKET_H_

// What listens on TCP in a network namespace, and where a client's socket was made, asked of the
// kernel over a NETLINK_SOCK_DIAG socket that somebody else made there and may still share.
#ifndef GLOVEBOX_LINUX_SOCKET_DIAG_H_
#define GLOVEBOX_LINUX_SOCKET_DIAG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

struct ListeningSocket {
  std::string address;     // it is bound to, as text: "127.0.0.1", "::"
  uint16_t port = 0;       // in the order of this host
  uint32_t interface = 0;  // index; 0: of any
  uint64_t inode = 0;      // as in /proc/<pid>/fd
  uint64_t cgroup_id =
      0;  // of cgroup v2: where it was made; 0: the kernel does not say (before 5.8)
};

// One answer of the kernel: messages as one recvmsg(2) gave them.
struct DiagAnswer {
  std::vector<ListeningSocket> sockets;
  bool done = false;  // nothing follows
  int error = 0;      // errno; nothing follows
};
// Messages of other requests than `sequence` are passed over. DATA_LOSS: no such messages.
absl::StatusOr<DiagAnswer> ParseDiagAnswer(absl::string_view bytes, uint32_t sequence);

// One end of a connection or of a datagram's way. IPv4 is in the first four bytes, zeros behind it.
struct SocketEnd {
  std::array<uint8_t, 16> address{};
  bool is_v6 = false;
  uint16_t port = 0;  // in the order of this host
  bool operator==(const SocketEnd&) const = default;
};
enum class SocketProtocol : uint8_t { kTcp = 6, kUdp = 17 };

// What the kernel answers to a question about one socket.
struct ClientAnswer {
  bool found = false;  // a socket that does not listen
  SocketEnd own, other;
  uint64_t cgroup_id = 0;  // as of ListeningSocket
  int error = 0;           // errno
};
// The first message of request `sequence`, which ends what is asked. nullopt: there is none.
// DATA_LOSS: no such messages.
absl::StatusOr<std::optional<ClientAnswer>> ParseClientAnswer(absl::string_view bytes,
                                                              uint32_t sequence);

struct SocketListing {
  std::vector<ListeningSocket> sockets;  // in no order
  uint64_t omitted = 0;                  // beyond `sockets_max`, counted alone
};

// Not thread-safe, nor for two of the same socket at a time: questions and answers are all one
// queue. Who shares it can steal answers, which then fail; they are the kernel's own, or none.
// Nothing here waits.
class SocketDiag {
 public:
  // DATA_LOSS: `fd` is no such socket, whatever else it may be.
  static absl::StatusOr<SocketDiag> Adopt(UniqueFd fd);

  // Which one a connection from within to `port` of 127.0.0.1, or else ::1, would get. What listens
  // sees nothing of it. FAILED_PRECONDITION with reason CAPABILITY_MISSING: the kernel cannot tell.
  // UNAVAILABLE with reason PORTS_UNKNOWN: an answer got lost, or took more than
  // kFoundWithinMs.
  absl::StatusOr<std::optional<ListeningSocket>> Find(uint16_t port);

  // The cgroup (of v2) in which the socket at `client` that speaks with `server` was made. 0: there
  // is no such socket any more, or the kernel does not say. Takes microseconds, whoever else asks:
  // one question and kClientAnswersMax messages at most. UNAVAILABLE with reason PORTS_UNKNOWN: the
  // answer was not among them, or is one to somebody else. FAILED_PRECONDITION as Find.
  absl::StatusOr<uint64_t> CgroupOfClient(SocketProtocol protocol, const SocketEnd& client,
                                          const SocketEnd& server);
  static constexpr int kClientAnswersMax = 4;

  // All of them, in kListedWithinMs. Errors as Find.
  absl::StatusOr<SocketListing> List(size_t sockets_max);

  // Errors as Find; finds nothing. `Find` cannot tell a kernel without tcp_diag from no socket.
  absl::Status Check();

  // Nobody but who shares the socket can make it take longer.
  static constexpr int kFoundWithinMs = 20;
  static constexpr int kListedWithinMs = 2000;

 private:
  struct Question;
  explicit SocketDiag(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::Status Ask(Question question);
  absl::StatusOr<std::string> Receive() const;
  absl::Status Drain(int64_t deadline_ns) const;
  absl::StatusOr<std::optional<ListeningSocket>> FindAt(int family, uint16_t port,
                                                        int64_t deadline_ns);
  absl::Status ListFamily(int family, uint32_t states, size_t sockets_max, int64_t deadline_ns,
                          SocketListing* listing);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_SOCKET_DIAG_H_

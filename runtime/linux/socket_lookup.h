// Which sockets of a network namespace get the TCP connections that are made in it, whatever port
// they go to: a BPF program at sk_lookup, which the kernel asks before it looks among listeners.
#ifndef GLOVEBOX_LINUX_SOCKET_LOOKUP_H_
#define GLOVEBOX_LINUX_SOCKET_LOOKUP_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

inline constexpr uint16_t kLookupNamesPort = 53;

// A loaded program with the map of its two sockets; for one namespace. Thread-compatible.
class SocketLookup {
 public:
  // Needs CAP_BPF and CAP_NET_ADMIN (bpf(2)); its errors are the kernel's.
  static absl::StatusOr<SocketLookup> Load();

  // Both listen in the network namespace that `others` is of. `names` gets connections to port 53
  // of any address; `others` every other one, but to 127.0.0.0/8, ::1 and 192.0.0.8 (the address
  // that lo has there): those go to whoever listens, as without the program. No other socket gets
  // what is theirs, nor anybody when they are closed. Holds as long as the descriptor that is
  // returned is open somewhere, and the namespace is there; nothing else of it stays.
  // `foreign_namespace`: the inode of one that must not be changed. PERMISSION_DENIED for a socket
  // of that one, INVALID_ARGUMENT for two of different ones; else errors of the kernel.
  absl::StatusOr<UniqueFd> Attach(int names, int others, uint64_t foreign_namespace) const;

  // In the network namespace of `socket`, where there is to be no connection: none finds anybody.
  // While one program is attached anywhere the kernel's own code stays made for it, and attaching
  // another takes a tenth of a millisecond instead of half of one.
  absl::StatusOr<UniqueFd> AttachToNobody(int socket) const;

 private:
  SocketLookup(UniqueFd sockets, UniqueFd program)
      : sockets_(std::move(sockets)), program_(std::move(program)) {}

  UniqueFd sockets_;
  UniqueFd program_;
};

// The inode of this process's network namespace.
absl::StatusOr<uint64_t> OwnNetworkNamespace();

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_SOCKET_LOOKUP_H_

// The API's unix socket: who may connect.
#ifndef GLOVEBOX_DAEMON_UNIX_LISTENER_H_
#define GLOVEBOX_DAEMON_UNIX_LISTENER_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// Who connected, as the kernel says (SO_PEERCRED, SO_PEERGROUPS: of the moment of connect(2)).
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};
absl::StatusOr<Peer> PeerOf(int socket_fd);

// Root, the daemon's own user, and the members of the group, if there is one. The socket file's
// mode says the same; this also holds when somebody changed it.
struct PeerPolicy {
  uid_t own_uid = 0;
  std::optional<gid_t> group;
  bool Allows(const Peer& peer) const;
};

// NOT_FOUND for an unknown group.
absl::StatusOr<gid_t> FindGroup(const std::string& name);

// A listening socket file of mode 0600, or 0660 with a group. A socket file that nobody listens on
// is replaced; FAILED_PRECONDITION with reason SOCKET_IN_USE when somebody does, or when the path
// is something else. The file is removed on destruction, if it is still this one.
class UnixListener {
 public:
  static absl::StatusOr<UnixListener> Open(const std::string& path, std::optional<gid_t> group);
  UnixListener(UnixListener&&) = default;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  int fd() const { return socket_.get(); }

 private:
  UnixListener(std::string path, UniqueFd socket, ino_t inode);
  std::string path_;
  UniqueFd socket_;
  ino_t inode_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_UNIX_LISTENER_H_

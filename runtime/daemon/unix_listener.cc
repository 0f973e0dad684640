#include "daemon/unix_listener.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr int kBacklog = 512;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         absl::StrCat("the socket path ", path, " is over ",
                                      sizeof address.sun_path - 1, " bytes; choose a shorter one"),
                         {"CONFIG_INVALID", {{"path", path}}});
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

absl::Status InUse(const std::string& path, absl::string_view why) {
  return DetailedError(absl::StatusCode::kFailedPrecondition, absl::StrCat(path, " ", why),
                       {"SOCKET_IN_USE", {{"path", path}}});
}

absl::StatusOr<UniqueFd> MakeSocket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoError(errno, "socket(AF_UNIX)");
  return socket;
}

// What a dead daemon left behind is removed; whatever else is there stays.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoError(errno, absl::StrCat("stat ", path));
  }
  if (!S_ISSOCK(found.st_mode)) return InUse(path, "is there and is no socket; remove it yourself");
  ASSIGN_OR_RETURN(const UniqueFd probe, MakeSocket());
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  // EAGAIN: somebody listens, and the backlog is full.
  if (connected == 0 || errno == EAGAIN || errno == EINPROGRESS) {
    return InUse(path, "has a daemon that listens on it; stop it, or choose another --socket");
  }
  if (errno != ECONNREFUSED) return ErrnoError(errno, absl::StrCat("connect ", path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, absl::StrCat("unlink ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Peer> PeerOf(int socket_fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return ErrnoError(errno, "getsockopt(SO_PEERCRED)");
  }
  Peer peer{credentials.pid, credentials.uid, credentials.gid, std::vector<gid_t>(64)};
  for (;;) {
    auto bytes = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
    const int got = ::getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &bytes);
    if (got != 0 && errno != ERANGE) return ErrnoError(errno, "getsockopt(SO_PEERGROUPS)");
    peer.groups.resize(bytes / sizeof(gid_t));
    if (got == 0) return peer;
  }
}

bool PeerPolicy::Allows(const Peer& peer) const {
  if (peer.uid == 0 || peer.uid == own_uid) return true;
  if (!group.has_value()) return false;
  return peer.gid == *group ||
         std::find(peer.groups.begin(), peer.groups.end(), *group) != peer.groups.end();
}

absl::StatusOr<gid_t> FindGroup(const std::string& name) {
  std::vector<char> buffer(64 * 1024);
  group entry{};
  group* found = nullptr;
  const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0) return ErrnoError(error, absl::StrCat("getgrnam ", name));
  if (found == nullptr) {
    return DetailedError(absl::StatusCode::kNotFound,
                         absl::StrCat("socket_group: this host has no group \"", name, "\""),
                         {"CONFIG_INVALID", {}});
  }
  return entry.gr_gid;
}

UnixListener::UnixListener(std::string path, UniqueFd socket, ino_t inode)
    : path_(std::move(path)), socket_(std::move(socket)), inode_(inode) {}

UnixListener::~UnixListener() {
  struct stat found {};
  if (!socket_.valid() || ::lstat(path_.c_str(), &found) != 0) return;
  if (S_ISSOCK(found.st_mode) && found.st_ino == inode_) (void)::unlink(path_.c_str());
}

absl::StatusOr<UnixListener> UnixListener::Open(const std::string& path,
                                                std::optional<gid_t> group) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  RETURN_IF_ERROR(RemoveStale(path, address));
  ASSIGN_OR_RETURN(UniqueFd socket, MakeSocket());
  // fchmod before bind sets the mode that the file is born with (net/unix/af_unix.c,
  // unix_bind_bsd).
  if (::fchmod(socket.get(), 0600) != 0) return ErrnoError(errno, "fchmod of a socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoError(errno, absl::StrCat("bind ", path));
  }
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) return ErrnoError(errno, absl::StrCat("stat ", path));
  UnixListener listener(path, std::move(socket), made.st_ino);
  if (group.has_value()) {
    if (::lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
      return ErrnoError(errno, absl::StrCat("chown ", path));
    }
    if (::chmod(path.c_str(), 0660) != 0) return ErrnoError(errno, absl::StrCat("chmod ", path));
  } else if (::chmod(path.c_str(), 0600) != 0) {
    return ErrnoError(errno, absl::StrCat("chmod ", path));
  }
  if (::listen(listener.fd(), kBacklog) != 0) {
    return ErrnoError(errno, absl::StrCat("listen ", path));
  }
  return listener;
}

}  // namespace glovebox

// A TCP connection that somebody else began and may still share: nothing here ever waits for it.
#ifndef GLOVEBOX_LINUX_TCP_SOCKET_H_
#define GLOVEBOX_LINUX_TCP_SOCKET_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace glovebox {

// Not thread-safe. Who shares the descriptor can clear O_NONBLOCK and set SO_LINGER at any time, so
// each call says that it does not wait, and the linger time is taken off before the end.
class TcpSocket {
 public:
  // DATA_LOSS: `fd` is no TCP socket of IPv4 or IPv6, whatever else it may be.
  static absl::StatusOr<TcpSocket> Adopt(UniqueFd fd);
  TcpSocket(TcpSocket&&) = default;
  // Assignment would close what is there without what the destructor sees to.
  TcpSocket& operator=(TcpSocket&&) = delete;
  // What was sent still reaches the other side.
  ~TcpSocket();

  int fd() const { return fd_.get(); }

  // errno of a connection that was begun: 0 once it is made, EINPROGRESS until then, ECONNREFUSED.
  int ConnectionError() const;

  // Appends at most `bytes_max` that have come to `data`. False: the other side sends no more;
  // nullopt: nothing has come now. UNAVAILABLE with reason CONNECTION_RESET.
  absl::StatusOr<std::optional<bool>> Receive(size_t bytes_max, std::string* data) const;
  // How many bytes of `data` were taken; 0: none now. UNAVAILABLE with reason CONNECTION_RESET.
  absl::StatusOr<size_t> Send(absl::string_view data) const;
  // The other side reads the end of the data.
  void EndSending() const;
  // The other side learns that the connection was broken off; what is still on its way is lost.
  void Break();

 private:
  explicit TcpSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_LINUX_TCP_SOCKET_H_

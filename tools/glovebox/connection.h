// The way to the daemon, and a useful answer when nobody is there. The calls are in calls.h and
// exec_stream.h.
#ifndef GLOVEBOX_TOOLS_CONNECTION_H_
#define GLOVEBOX_TOOLS_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace google::rpc {
class Status;
}  // namespace google::rpc

namespace glovebox {

inline constexpr char kDefaultSocket[] = "/run/glovebox/glovebox.sock";

// Connects, sends nothing and closes again. UNAVAILABLE or PERMISSION_DENIED with the socket's path
// and what to do; INVALID_ARGUMENT when the path cannot be a socket's.
absl::Status ProbeSocket(const std::string& path);

// The outcome of one thing of several that a call was for: message and reason.
absl::Status FromRpc(const google::rpc::Status& status);

struct Stubs;  // stubs.h

// Thread-safe. One channel, which connects again by itself when the daemon comes back.
class Connection {
 public:
  // Fails as ProbeSocket does.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(absl::string_view socket);

  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& socket() const { return socket_; }
  Stubs& stubs() { return *stubs_; }

  bool connected() const;
  // Helps the channel to connect; returns after `time`, or with true when it is connected. While no
  // thread waits in gRPC, it looks after an attempt to connect every five seconds only (gRPC's
  // "backup poller"), and calls fail meanwhile.
  bool HelpToConnect(absl::Duration time);

 private:
  Connection(std::string socket, std::shared_ptr<grpc::Channel> channel,
             std::unique_ptr<Stubs> stubs);

  const std::string socket_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stubs> stubs_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_CONNECTION_H_

// One request as it came over the spawner's socket: checked, with its descriptors by name.
#ifndef GLOVEBOX_SPAWNER_REQUEST_H_
#define GLOVEBOX_SPAWNER_REQUEST_H_

#include "spawner/failure.h"
#include "spawner/spawn_wire.h"

namespace glovebox {

class ReceivedRequest {
 public:
  ReceivedRequest() = default;
  ReceivedRequest(const ReceivedRequest&) = delete;
  ReceivedRequest& operator=(const ReceivedRequest&) = delete;
  ~ReceivedRequest();  // closes the descriptors

  // Waits for one message. False at the end of the socket. A message that does not fit fills
  // `failure`; its descriptors are closed all the same.
  bool Receive(int socket_fd, SpawnFailure* failure);

  const SpawnRequest& wire() const { return wire_; }
  int socket_fd() const { return fds_[0]; }  // of another spawner
  int plan_fd() const { return fds_[0]; }
  int listen_fd() const { return fds_[1]; }
  int status_fd() const { return fds_[2]; }
  int disk_fd() const { return fds_[3]; }
  int layer_fd(uint32_t i) const { return fds_[4 + i]; }
  int bind_fd(uint32_t i) const { return fds_[4 + wire_.layer_count + i]; }
  int cache_layer_fd(uint32_t i) const {
    return fds_[4 + wire_.layer_count + wire_.bind_count + i];
  }
  int tasks_fd(uint32_t i) const {
    return fds_[4 + wire_.layer_count + wire_.bind_count + wire_.cache_layer_count + i];
  }
  int cgroup2_fd() const { return wire_.has_cgroup2 != 0 ? fds_[fd_count_ - 1] : -1; }

 private:
  uint32_t FdsExpected() const;
  bool Check(size_t size, bool truncated, SpawnFailure* failure) const;

  SpawnRequest wire_{};
  int fds_[kSpawnFdsMax] = {};
  uint32_t fd_count_ = 0;
};

// Answers on the socket; `pidfd` travels with it unless it is -1. False when the daemon is gone.
bool SendReply(int socket_fd, uint32_t request_id, const SpawnFailure& failure, int host_pid,
               int pidfd);

}  // namespace glovebox

#endif  // GLOVEBOX_SPAWNER_REQUEST_H_

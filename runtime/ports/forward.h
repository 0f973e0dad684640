// One connection from outside to a port that a payload listens on, without gRPC: made by the
// sandbox's init, finished and carried here.
//
// It has no thread of its own: what the payload sends is read when the
// client has taken what came before, what the client sends is asked for when the payload has taken
// what came before. So each way has one piece in memory, and who does not read holds up the other.
//
// An end of the data goes on as one: the client's when it is known that it did not just go away
// (a stream that was reset ends too), the payload's in a message of its own.
#ifndef GLOVEBOX_PORTS_FORWARD_H_
#define GLOVEBOX_PORTS_FORWARD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/turn.h"
#include "base/unique_fd.h"
#include "linux/event_loop.h"
#include "linux/tcp_socket.h"
#include "sandbox/sandbox.h"

namespace glovebox {

inline constexpr size_t kForwardPieceBytesMax = size_t{64} * 1024;

// The client's side. Called by one thread at a time, and not again after Finish; none may block.
class ForwardClient {
 public:
  virtual ~ForwardClient() = default;
  // The next piece from the payload; the first one, empty, says that the connection is made; one
  // with `end` that no other follows. Others may be empty. Then Forward::OnWritten, once.
  virtual void Write(std::string data, bool end) = 0;
  // Wants the next piece: then Forward::OnData or OnDataEnd, once.
  virtual void Read() = 0;
  // No write is under way; a read may be.
  virtual void Finish(const absl::Status& status) = 0;
};

// Thread-safe. Shared with callbacks that may come after the client is gone, which is not touched
// then.
class Forward : public std::enable_shared_from_this<Forward> {
 public:
  // Both outlive it, `client` until Finish. `events`: a loop for forwards alone.
  Forward(ForwardClient* client, EventLoop* events) : client_(client), events_(events) {}

  // Once. Ends with UNAVAILABLE, CONNECTION_REFUSED, when nothing listens on 127.0.0.1 nor ::1;
  // CONNECTION_RESET; DEADLINE_EXCEEDED with reason CONNECTION_TIMED_OUT (OnDeadline); errors of
  // Sandbox::EnterSockets and SandboxSockets::Place::Open, now and while it lasts.
  void Start(std::shared_ptr<Sandbox> sandbox, uint16_t port);

  // `ok`: false when the client is gone.
  void OnWritten(bool ok);
  void OnData(std::string data);
  // No more comes: the client ended its side, or is gone.
  void OnDataEnd();
  void OnCancel(const absl::Status& why);
  // A connection that is not made by now is given up.
  void OnDeadline();

 private:
  enum class Phase { kNew, kAsking, kConnecting, kOpen, kClosing, kFinished };

  // What has come since the last step.
  struct News {
    std::shared_ptr<Sandbox> sandbox;  // Start
    uint16_t port = 0;
    std::optional<absl::StatusOr<UniqueFd>> socket;
    std::optional<std::string> data;
    bool data_end = false;
    std::optional<bool> written;
    bool deadline = false;
    absl::Status failure;
  };

  template <typename Note>
  void Tell(Note note) ABSL_LOCKS_EXCLUDED(mutex_);
  void Run();
  void Step() ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeIn(News* news);
  void Begin(Sandbox* sandbox, uint16_t port);
  void Ask(SocketKind kind);
  void TakeSocket(absl::StatusOr<UniqueFd> made);
  void CheckConnection();
  void TryNext(const absl::Status& why);
  void Write(std::string data, bool end);
  absl::Status FromPayload();
  void ToPayload();
  void CloseSocket(bool breaks);
  void Close(const absl::Status& status);

  ForwardClient* const client_;
  EventLoop* const events_;
  Turn turn_;
  absl::Mutex mutex_;
  News news_ ABSL_GUARDED_BY(mutex_);

  // Of the thread that has the turn.
  Phase phase_ = Phase::kNew;
  absl::Status outcome_;  // kClosing
  std::unique_ptr<SandboxSockets::Place> place_;
  uint16_t port_ = 0;
  SocketKind kind_ = SocketKind::kConnectIpv4;
  std::optional<TcpSocket> socket_;
  uint64_t watch_ = 0;
  bool writing_ = false;  // to the client
  bool payload_ended_ = false;
  bool reading_ = false;  // from the client
  enum class ClientEnd { kNone, kClaimed, kAsked, kProved, kPassedOn };
  ClientEnd client_end_ = ClientEnd::kNone;
  absl::Status broken_;  // the payload takes no more; what it had sent is still passed on
  std::string pending_;  // from the client, of which
  size_t sent_ = 0;      // so much was taken
};

}  // namespace glovebox

#endif  // GLOVEBOX_PORTS_FORWARD_H_

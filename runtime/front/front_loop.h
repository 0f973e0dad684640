// The one thread of glovebox-front: accepts clients, takes turns with them, hands them over.
#ifndef GLOVEBOX_FRONT_FRONT_LOOP_H_
#define GLOVEBOX_FRONT_FRONT_LOOP_H_

#include <sys/epoll.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "front/connection.h"
#include "front/daemon_link.h"
#include "front/door_counts.h"
#include "front/front_wire.h"
#include "front/tls_context.h"

namespace glovebox {

class FrontLoop {
 public:
  // `link` and `clock` outlive it.
  static absl::StatusOr<std::unique_ptr<FrontLoop>> Make(const FrontSetup& setup, UniqueFd listener,
                                                         TlsContext tls, DaemonLink* link,
                                                         const Clock* clock);

  // Returns when the control socket has ended, or epoll fails, which it does not.
  void Run();

 private:
  struct Client {
    std::unique_ptr<Connection> connection;
    int64_t deadline_ns = 0;  // 0: none
    bool stranger = true;
    bool queued = false;   // for a turn
    bool in_line = false;  // for the hand-over
  };

  FrontLoop(const FrontSetup& setup, UniqueFd listener, TlsContext tls, DaemonLink* link,
            const Clock* clock, UniqueFd epoll);
  bool Watch(int fd, uint32_t events, uint64_t token);
  int TimeoutMs() const;
  bool Dispatch(const epoll_event& event);  // false: the end
  void ListenAgain();
  void AcceptSome();
  FrontRefusal Admit(UniqueFd tcp, const TcpEndpoint& peer, std::string* why);
  void Queue(uint64_t id, Client* client);
  void TakeTurns();
  void TakeTurn(uint64_t id);
  void AfterTurn(uint64_t id, Client* client);
  void HandOver(uint64_t id, Client* client);
  void HandOverWaiting();
  void SetDeadline(uint64_t id, Client* client, uint32_t ms);
  void Expire();
  void Close(uint64_t id);

  const FrontSetup setup_;
  UniqueFd listener_;
  const TlsContext tls_;
  DaemonLink* const link_;
  const Clock* const clock_;
  const UniqueFd epoll_;
  DoorCounts counts_;
  int64_t listen_again_ns_ = 0;  // 0: it is watched
  bool may_accept_ = false;
  uint64_t next_id_ = 1;  // never used again, so that a late event finds nobody
  std::unordered_map<uint64_t, Client> clients_;
  std::multimap<int64_t, uint64_t> deadlines_;  // also those that no longer hold
  std::deque<uint64_t> relays_;                 // who has something to do
  std::deque<uint64_t> handshakes_;
  std::deque<uint64_t> to_hand_over_;  // the control socket was full
};

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_FRONT_LOOP_H_

#include "front/front_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/status.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

// Tokens of epoll: 2 * id for a client's TCP socket, 2 * id + 1 for its stream to the daemon.
constexpr uint64_t kControlToken = 0;
constexpr uint64_t kListenerToken = 1;

constexpr int kEventsMax = 64;
constexpr int kAcceptsMax = 16;
// A handshake costs up to a millisecond of signing; open streams come first.
constexpr size_t kHandshakesMax = 4;
// Without a free descriptor a waiting connection stays acceptable: look again only so often.
constexpr int64_t kShortOfDescriptorsNs = 100'000'000;
constexpr int64_t kNanosOfMilli = 1'000'000;

constexpr uint32_t kBothWays = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

}  // namespace

FrontLoop::FrontLoop(const FrontSetup& setup, UniqueFd listener, TlsContext tls, DaemonLink* link,
                     const Clock* clock, UniqueFd epoll)
    : setup_(setup),
      listener_(std::move(listener)),
      tls_(std::move(tls)),
      link_(link),
      clock_(clock),
      epoll_(std::move(epoll)),
      counts_({setup.connections_max, setup.strangers_max, setup.network_strangers_max}) {}

absl::StatusOr<std::unique_ptr<FrontLoop>> FrontLoop::Make(const FrontSetup& setup,
                                                           UniqueFd listener, TlsContext tls,
                                                           DaemonLink* link, const Clock* clock) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoError(errno, "epoll_create1");
  std::unique_ptr<FrontLoop> loop(
      new FrontLoop(setup, std::move(listener), std::move(tls), link, clock, std::move(epoll)));
  if (!loop->Watch(link->fd(), EPOLLIN | EPOLLOUT | EPOLLET, kControlToken) ||
      !loop->Watch(loop->listener_.get(), EPOLLIN, kListenerToken)) {
    return ErrnoError(errno, "epoll_ctl");
  }
  return loop;
}

bool FrontLoop::Watch(int fd, uint32_t events, uint64_t token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void FrontLoop::Run() {
  for (;;) {
    std::array<epoll_event, kEventsMax> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsMax, TimeoutMs());
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      if (!Dispatch(events[static_cast<size_t>(i)])) return;
    }
    if (may_accept_) AcceptSome();
    TakeTurns();
    Expire();
    ListenAgain();
  }
}

int FrontLoop::TimeoutMs() const {
  if (!relays_.empty() || !handshakes_.empty()) return 0;
  int64_t next_ns = deadlines_.empty() ? INT64_MAX : deadlines_.begin()->first;
  if (listen_again_ns_ != 0) next_ns = std::min(next_ns, listen_again_ns_);
  if (next_ns == INT64_MAX) return -1;
  const int64_t left_ns = std::max<int64_t>(next_ns - clock_->MonotonicNanos(), 0);
  return static_cast<int>(std::min<int64_t>(left_ns / kNanosOfMilli + 1, 60'000));
}

bool FrontLoop::Dispatch(const epoll_event& event) {
  const uint64_t token = event.data.u64;
  if (token == kControlToken) {
    for (;;) {
      const DaemonLink::Order order = link_->TakeOrder();
      if (order == DaemonLink::Order::kEnd) return false;
      if (order == DaemonLink::Order::kNone) break;
      listener_.Reset();  // which also ends its watch: nobody else has this description here
      listen_again_ns_ = 0;
      may_accept_ = false;
    }
    HandOverWaiting();
    return true;
  }
  if (token == kListenerToken) {
    may_accept_ = listener_.valid();
    return true;
  }
  const auto found = clients_.find(token / 2);
  if (found == clients_.end()) return true;  // closed by an event before this one
  Connection* const connection = found->second.connection.get();
  token % 2 == 0 ? connection->TcpReady(event.events) : connection->DaemonReady(event.events);
  Queue(found->first, &found->second);
  return true;
}

void FrontLoop::ListenAgain() {
  if (listen_again_ns_ == 0 || clock_->MonotonicNanos() < listen_again_ns_) return;
  if (Watch(listener_.get(), EPOLLIN, kListenerToken)) listen_again_ns_ = 0;
}

void FrontLoop::AcceptSome() {
  may_accept_ = false;  // the watch is level-triggered: it says so again
  for (int i = 0; i < kAcceptsMax; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    UniqueFd tcp(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!tcp.valid()) {
      if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
      (void)link_->Refused({}, FrontRefusal::kInternal, "short of descriptors: connections wait");
      (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);  // is watched
      listen_again_ns_ = clock_->MonotonicNanos() + kShortOfDescriptorsNs;
      return;
    }
    const absl::StatusOr<TcpEndpoint> peer = EndpointOf(address);
    if (!peer.ok()) continue;
    std::string why;
    const FrontRefusal refusal = Admit(std::move(tcp), *peer, &why);
    if (refusal != FrontRefusal::kNone) (void)link_->Refused(*peer, refusal, why);
  }
}

FrontRefusal FrontLoop::Admit(UniqueFd tcp, const TcpEndpoint& peer, std::string* why) {
  const FrontRefusal full = counts_.Enter(peer);
  if (full != FrontRefusal::kNone) {
    *why = counts_.Words(full, peer);
    return full;
  }
  const int on = 1;
  // As gRPC does for those that it accepts itself; without it answers come late, no more.
  (void)::setsockopt(tcp.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  absl::StatusOr<TlsEnd> tls = MakeTlsEnd(tls_.get(), tcp.get());
  const uint64_t id = next_id_++;
  if (!tls.ok() || !Watch(tcp.get(), kBothWays, id * 2)) {
    counts_.NoLongerStranger(peer);
    counts_.Leave();
    *why = "no memory for a connection";
    return FrontRefusal::kInternal;
  }
  Client& client = clients_[id];
  client.connection = std::make_unique<Connection>(std::move(tcp), peer, *std::move(tls));
  SetDeadline(id, &client, setup_.handshake_ms);
  return FrontRefusal::kNone;
}

void FrontLoop::SetDeadline(uint64_t id, Client* client, uint32_t ms) {
  client->deadline_ns = clock_->MonotonicNanos() + ms * kNanosOfMilli;
  deadlines_.emplace(client->deadline_ns, id);
}

void FrontLoop::Queue(uint64_t id, Client* client) {
  if (std::exchange(client->queued, true)) return;
  const bool handshake = client->connection->phase() == Connection::Phase::kHandshake;
  (handshake ? handshakes_ : relays_).push_back(id);
}

void FrontLoop::TakeTurns() {
  for (size_t left = relays_.size(); left > 0; --left) {
    const uint64_t id = relays_.front();
    relays_.pop_front();
    TakeTurn(id);
  }
  for (size_t left = std::min(handshakes_.size(), kHandshakesMax); left > 0; --left) {
    const uint64_t id = handshakes_.front();
    handshakes_.pop_front();
    TakeTurn(id);
  }
}

void FrontLoop::TakeTurn(uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client* const client = &found->second;
  client->queued = false;
  if (client->connection->TakeTurn()) return Queue(id, client);
  AfterTurn(id, client);
}

void FrontLoop::AfterTurn(uint64_t id, Client* client) {
  switch (client->connection->phase()) {
    case Connection::Phase::kHandOver:
      return client->in_line ? void() : HandOver(id, client);
    case Connection::Phase::kParting:
      if (client->deadline_ns == 0) SetDeadline(id, client, setup_.parting_ms);
      return;
    case Connection::Phase::kRefused:
      (void)link_->Refused(client->connection->peer(), client->connection->refusal(),
                           client->connection->refusal_words());
      return Close(id);
    case Connection::Phase::kEnded:
      return Close(id);
    case Connection::Phase::kHandshake:
    case Connection::Phase::kRelay:
      return;
  }
}

void FrontLoop::HandOver(uint64_t id, Client* client) {
  Connection* const connection = client->connection.get();
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    (void)link_->Refused(connection->peer(), FrontRefusal::kInternal,
                         "no descriptors for a stream");
    return Close(id);
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const absl::Status sent = link_->HandOver(connection->peer(), connection->name(), theirs.get());
  if (!sent.ok()) {
    if (!WouldBlock(sent)) return Close(id);
    client->in_line = true;
    to_hand_over_.push_back(id);
    return;
  }
  if (!Watch(ours.get(), kBothWays, id * 2 + 1)) return Close(id);
  client->in_line = false;
  client->stranger = false;
  client->deadline_ns = 0;
  counts_.NoLongerStranger(connection->peer());
  connection->Relay(std::move(ours));
  Queue(id, client);  // what came with the end of the handshake is in libssl, and no event of it
}

void FrontLoop::HandOverWaiting() {
  for (size_t left = to_hand_over_.size(); left > 0; --left) {
    const uint64_t id = to_hand_over_.front();
    to_hand_over_.pop_front();
    const auto found = clients_.find(id);
    if (found != clients_.end()) HandOver(id, &found->second);
  }
}

void FrontLoop::Expire() {
  const int64_t now_ns = deadlines_.empty() ? 0 : clock_->MonotonicNanos();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ns) {
    const auto [when_ns, id] = *deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second.deadline_ns != when_ns) continue;
    found->second.connection->Expire();
    AfterTurn(id, &found->second);
  }
}

void FrontLoop::Close(uint64_t id) {
  const auto found = clients_.find(id);
  if (found->second.stranger) counts_.NoLongerStranger(found->second.connection->peer());
  counts_.Leave();
  clients_.erase(found);
}

}  // namespace glovebox

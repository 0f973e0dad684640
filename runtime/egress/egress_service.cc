#include "egress/egress_service.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "egress/egress_policy_wire.h"
#include "egress/name_service.h"
#include "egress/proxied_connection.h"
#include "egress/wait_guard.h"
#include "linux/memfd.h"

namespace glovebox {
namespace {

constexpr int kTurnAccepts = 16;
// In turns: as many connections as a backlog of init's has (128), and as many questions as a
// socket's default memory has (208 KiB, where each takes 768 bytes at least).
constexpr int kWaitingTurnsMax = 10;
constexpr int kJudgedTurns = 2;
constexpr auto kShortOfDescriptors = std::chrono::milliseconds(100);

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Whoever holds the socket in the sandbox has made it wait (EINTR), or shut it down (EINVAL), when
// it would be readable for ever: nothing more is taken from it.
bool IsSpoilt(int error) {
  return error != 0 && error != EAGAIN && error != ECONNABORTED && !IsShortage(error);
}

absl::StatusOr<std::shared_ptr<const EgressRules>> ReadRules(const UniqueFd& memfd) {
  const off_t size = ::lseek(memfd.get(), 0, SEEK_END);
  if (size < 0 || static_cast<uint64_t>(size) > kEgressPolicyBytesMax) {
    return absl::InvalidArgumentError("a policy of another size");
  }
  std::string bytes(static_cast<size_t>(size), 0);
  if (::pread(memfd.get(), bytes.data(), bytes.size(), 0) != size) {
    return absl::InvalidArgumentError("a policy that cannot be read");
  }
  EgressSecrets secrets;
  const auto policy = DecodeEgressPolicy(bytes, &secrets);
  Wipe(&bytes);
  RETURN_IF_ERROR(policy.status());
  ASSIGN_OR_RETURN(EgressRules rules, EgressRules::Compile(*policy, secrets));
  return std::make_shared<const EgressRules>(std::move(rules));
}

void TellFull(SandboxEgress* sandbox, const tcp::socket& client, const ClientCommand& command) {
  boost::system::error_code error;
  const tcp::endpoint local = client.local_endpoint(error);
  EgressMessage event;
  event.event = EgressEventKind::kRefused;
  event.denial = static_cast<uint32_t>(EgressDenial::kLimit);
  event.connection = sandbox->shared->next_connection++;
  event.start_unix_ms = absl::ToUnixMillis(sandbox->shared->clock->Now());
  if (!error) {
    const IpAddress address = FromAsio(local.address());
    const HostName* const name = sandbox->names.NameOf(address);
    PutText(name != nullptr ? name->value() : address.Text(), event.host, sizeof event.host);
    event.port = local.port();
  }
  sandbox->Tell(event, command);
}

// For a client that was accepted, or asks for a name.
ClientCommand CommandOf(SandboxEgress* sandbox, const tcp::socket& client) {
  return sandbox->commands.Of(SocketProtocol::kTcp, [&]() -> std::optional<ClientEnds> {
    boost::system::error_code failed[2];
    const tcp::endpoint remote = client.remote_endpoint(failed[0]);
    const tcp::endpoint local = client.local_endpoint(failed[1]);
    if (failed[0] || failed[1]) return std::nullopt;
    return ClientEnds{ToSocketEnd(FromAsio(remote.address()), remote.port()),
                      ToSocketEnd(FromAsio(local.address()), local.port())};
  });
}

awaitable<void> RunConnection(std::shared_ptr<ProxiedConnection> connection) {
  co_await connection->Run();
}

// A connection to the name server, as long as it is open.
class NameClient {
 public:
  NameClient(std::shared_ptr<SandboxEgress> sandbox, tcp::socket* client)
      : sandbox_(std::move(sandbox)), client_(client) {
    sandbox_->name_clients.insert(client_);
    ++sandbox_->open;
    ++sandbox_->shared->connections;
  }
  ~NameClient() {
    sandbox_->name_clients.erase(client_);
    --sandbox_->open;
    --sandbox_->shared->connections;
  }
  NameClient(const NameClient&) = delete;
  NameClient& operator=(const NameClient&) = delete;

 private:
  const std::shared_ptr<SandboxEgress> sandbox_;
  tcp::socket* const client_;
};

awaitable<void> RunNames(std::shared_ptr<SandboxEgress> sandbox, tcp::socket client,
                         ClientCommand command) {
  const NameClient counted(sandbox, &client);
  if (sandbox->removed) co_return;
  co_await ServeNamesOverTcp(sandbox, &client, command);
}

}  // namespace

void EgressService::Take(EgressLink::Order order) {
  Done done;
  switch (order.order.kind) {
    case EgressOrderKind::kAddSandbox:
      done = Add(&order);
      break;
    case EgressOrderKind::kAddSockets:
      done = AddSockets(&order);
      break;
    case EgressOrderKind::kReplacePolicy:
      done = Replace(&order);
      break;
    case EgressOrderKind::kRemoveSandbox:
      done = Remove(order.order.sandbox);
      break;
    case EgressOrderKind::kSetNameServers:
      done = {shared_->resolver->SetNameServers(
          {order.order.name_server, order.order.name_server + order.order.name_servers})};
      break;
    case EgressOrderKind::kSettle:
      break;
  }
  EgressMessage answer;
  answer.kind = EgressMessageKind::kAnswer;
  answer.sequence = order.order.sequence;
  answer.sandbox = order.order.sandbox;
  answer.failed = done.status.ok() ? 0 : 1;
  answer.connections_cut = done.connections_cut;
  PutText(done.status.message(), answer.text, sizeof answer.text);
  if (order.order.kind == EgressOrderKind::kSettle) {
    Settle(answer);
  } else {
    shared_->link->Answer(answer);
  }
}

EgressService::Done EgressService::Add(EgressLink::Order* order) {
  const uint64_t number = order->order.sandbox;
  if (sandboxes_.contains(number)) return {absl::AlreadyExistsError("the sandbox is there")};
  if (sandboxes_.size() >= shared_->setup.sandboxes_max) {
    return {absl::ResourceExhaustedError("as many sandboxes as there may be")};
  }
  if (order->order.word >= shared_->setup.sandboxes_max) {
    return {absl::InvalidArgumentError("a word of commands that there is not")};
  }
  auto rules = ReadRules(order->fds[0]);
  if (!rules.ok()) return {rules.status()};
  auto bytes = SharedMapping::Map(order->fds[1].get(), sizeof(EgressBytes));
  if (!bytes.ok()) return {bytes.status()};
  const auto sandbox =
      std::make_shared<SandboxEgress>(shared_, number, *std::move(rules), *std::move(bytes),
                                      shared_->command_words + order->order.word);
  sandboxes_[number] = sandbox;
  for (uint32_t i = 0; i < order->order.sockets; ++i) {
    const absl::Status served = Serve(sandbox, order->order.role[i], std::move(order->fds[i + 2]));
    if (served.ok()) continue;
    (void)Remove(number);  // what was begun
    return {served};
  }
  return {absl::OkStatus()};
}

absl::Status EgressService::Serve(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role,
                                  UniqueFd fd) {
  if (role == EgressRole::kClientDiag) return sandbox->commands.AskOn(std::move(fd));
  boost::system::error_code error;
  auto socket = std::make_shared<asio::posix::stream_descriptor>(*shared_->io);
  socket->assign(fd.get(), error);
  if (error) return absl::InvalidArgumentError("a descriptor that cannot be waited for");
  (void)fd.Release();
  socket->native_non_blocking(true, error);
  sandbox->sockets.push_back({role, socket});
  switch (role) {
    case EgressRole::kTransparent:
    case EgressRole::kHttpProxy:
    case EgressRole::kSocks5:
    case EgressRole::kDnsTcp:
      asio::co_spawn(*shared_->io, AcceptAll(sandbox, role, socket), kOrExit);
      return absl::OkStatus();
    case EgressRole::kDnsUdp:
      asio::co_spawn(*shared_->io, ServeNamesOverUdp(sandbox, socket), kOrExit);
      return absl::OkStatus();
    case EgressRole::kClientDiag:
      break;
  }
  return absl::InvalidArgumentError("a socket of no role");
}

EgressService::Done EgressService::AddSockets(EgressLink::Order* order) {
  const auto found = sandboxes_.find(order->order.sandbox);
  if (found == sandboxes_.end()) return {absl::NotFoundError("no such sandbox")};
  if (found->second->sockets.size() + order->order.sockets > kEgressSocketsMax) {
    return {absl::ResourceExhaustedError("more sockets than a sandbox can have")};
  }
  for (uint32_t i = 0; i < order->order.sockets; ++i) {
    const absl::Status served =
        Serve(found->second, order->order.role[i], std::move(order->fds[i]));
    if (!served.ok()) return {served};
  }
  return {absl::OkStatus()};
}

EgressService::Done EgressService::Replace(EgressLink::Order* order) {
  const auto found = sandboxes_.find(order->order.sandbox);
  if (found == sandboxes_.end()) return {absl::NotFoundError("no such sandbox")};
  auto rules = ReadRules(order->fds[0]);
  if (!rules.ok()) return {rules.status()};
  SandboxEgress* const sandbox = found->second.get();
  sandbox->rules = *std::move(rules);
  sandbox->connection_rate.SetRate(sandbox->rules->limits().connections_per_second);
  Done done;
  for (ProxiedConnection* const connection : sandbox->connections) {
    if (connection->JudgeAgain()) ++done.connections_cut;
  }
  return done;
}

EgressService::Done EgressService::Remove(uint64_t number) {
  const auto found = sandboxes_.find(number);
  if (found == sandboxes_.end()) return {absl::NotFoundError("no such sandbox")};
  const std::shared_ptr<SandboxEgress> sandbox = found->second;
  sandboxes_.erase(found);
  sandbox->removed = true;
  boost::system::error_code none;
  // Now: an open socket keeps the sandbox's network namespace.
  for (const auto& [role, socket] : sandbox->sockets) (void)socket->close(none);
  sandbox->commands.AskNoMore();
  Done done;
  for (ProxiedConnection* const connection : sandbox->connections) {
    connection->Abort(EgressDenial::kNone);
    ++done.connections_cut;
  }
  for (tcp::socket* const client : sandbox->name_clients) {
    ResetOnClose(client);
    (void)client->close(none);
  }
  return done;
}

// A command has ended: what it had begun is taken while the daemon still says that it runs.
void EgressService::Settle(const EgressMessage& answer) {
  const auto found = sandboxes_.find(answer.sandbox);
  if (found == sandboxes_.end()) {
    shared_->link->AnswerBehindEvents(answer);
  } else {
    asio::co_spawn(*shared_->io, TakeWaiting(found->second, answer), kOrExit);
  }
}

// Whether there may be more. What waits for nothing is not accepted from: see WaitGuard.
bool EgressService::TakeTurn(const std::shared_ptr<SandboxEgress>& sandbox,
                             const SandboxEgress::Socket& from) {
  const int fd = from.socket->native_handle();
  if (from.role == EgressRole::kDnsUdp) return AnswerTurn(sandbox.get(), fd);
  pollfd waits{fd, POLLIN, 0};
  if (::poll(&waits, 1, 0) != 1) return false;
  const int ended_by = AcceptTurn(sandbox, from.role, fd);
  boost::system::error_code none;
  if (IsSpoilt(ended_by)) (void)from.socket->close(none);
  return ended_by == 0;
}

// Sockets are queues: after as many as fit in, what was there before is taken, however much comes
// meanwhile. Others have their turn in between.
awaitable<void> EgressService::TakeWaiting(std::shared_ptr<SandboxEgress> sandbox,
                                           EgressMessage answer) {
  for (size_t i = 0; i < sandbox->sockets.size(); ++i) {
    const SandboxEgress::Socket one = sandbox->sockets[i];
    for (int turn = 0; turn < kWaitingTurnsMax && one.socket->is_open(); ++turn) {
      if (!TakeTurn(sandbox, one)) break;
      co_await asio::post(*shared_->io, kAsTuple);
    }
  }
  // What was accepted is judged.
  for (int turn = 0; turn < kJudgedTurns; ++turn) {
    co_await asio::post(*shared_->io, kAsTuple);
  }
  shared_->link->AnswerBehindEvents(answer);
}

awaitable<void> EgressService::AcceptAll(std::shared_ptr<SandboxEgress> sandbox, EgressRole role,
                                         std::shared_ptr<asio::posix::stream_descriptor> socket) {
  asio::steady_timer pause(*shared_->io);
  while (!sandbox->removed) {
    auto [error] = co_await socket->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (error || sandbox->removed) co_return;
    const int ended_by = AcceptTurn(sandbox, role, socket->native_handle());
    if (IsSpoilt(ended_by)) {
      boost::system::error_code none;
      (void)socket->close(none);
      co_return;
    }
    if (!IsShortage(ended_by)) continue;
    pause.expires_after(kShortOfDescriptors);
    (void)co_await pause.async_wait(kAsTuple);  // connections wait in the backlog
  }
}

int EgressService::AcceptTurn(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role,
                              int fd) {
  const WaitGuard guard;
  int ended_by = 0;
  for (int i = 0; i < kTurnAccepts && ended_by == 0; ++i) ended_by = AcceptOne(sandbox, role, fd);
  return ended_by;
}

int EgressService::AcceptOne(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role,
                             int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  UniqueFd accepted(
      ::accept4(fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted.valid()) return errno;
  tcp::socket client(*shared_->io);
  boost::system::error_code error;
  client.assign(peer.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), accepted.get(), error);
  if (error) return 0;
  (void)accepted.Release();  // the socket's from here on
  // Nobody has more of what all share than is left: however many take what they can get, another
  // one can still connect.
  const auto left = shared_->setup.connections_max - shared_->connections;
  const bool room = sandbox->open < sandbox->rules->limits().connections_max &&
                    sandbox->open < left &&
                    sandbox->connection_rate.Take(shared_->clock->MonotonicNanos());
  const ClientCommand command = CommandOf(sandbox.get(), client);
  if (!room) {
    TellFull(sandbox.get(), client, command);
    ResetOnClose(&client);
    return 0;
  }
  if (role == EgressRole::kDnsTcp) {
    asio::co_spawn(*shared_->io, RunNames(sandbox, std::move(client), command), kOrNothing);
  } else {
    const auto connection =
        std::make_shared<ProxiedConnection>(sandbox, role, std::move(client), command);
    asio::co_spawn(*shared_->io, RunConnection(connection),
                   [connection](const std::exception_ptr& failed) {
                     if (failed != nullptr) connection->Abort(EgressDenial::kNone);
                   });
  }
  return 0;
}

}  // namespace glovebox

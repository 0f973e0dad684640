#include "egress/egress_service.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "egress/egress_policy_wire.h"
#include "egress/name_service.h"
#include "egress/proxied_connection.h"
#include "egress/wait_guard.h"

namespace glovebox {
namespace {

constexpr int kTurnAccepts = 16;
constexpr auto kShortOfDescriptors = std::chrono::milliseconds(100);

absl::StatusOr<std::shared_ptr<const EgressRules>> ReadRules(const UniqueFd& memfd) {
  const off_t size = ::lseek(memfd.get(), 0, SEEK_END);
  if (size < 0 || static_cast<uint64_t>(size) > kEgressPolicyBytesMax) {
    return absl::InvalidArgumentError("a policy of another size");
  }
  std::string bytes(static_cast<size_t>(size), 0);
  if (::pread(memfd.get(), bytes.data(), bytes.size(), 0) != size) {
    return absl::InvalidArgumentError("a policy that cannot be read");
  }
  ASSIGN_OR_RETURN(const EgressPolicy policy, DecodeEgressPolicy(bytes));
  ASSIGN_OR_RETURN(EgressRules rules, EgressRules::Compile(policy, EgressSupport{}));
  return std::make_shared<const EgressRules>(std::move(rules));
}

void TellFull(SandboxEgress* sandbox, const tcp::socket& client) {
  boost::system::error_code error;
  const tcp::endpoint local = client.local_endpoint(error);
  EgressMessage event;
  event.event = EgressEventKind::kRefused;
  event.denial = static_cast<uint32_t>(EgressDenial::kLimit);
  event.sandbox = sandbox->number;
  event.connection = sandbox->shared->next_connection++;
  event.start_unix_ms = absl::ToUnixMillis(sandbox->shared->clock->Now());
  if (!error) {
    const IpAddress address = FromAsio(local.address());
    const HostName* const name = sandbox->names.NameOf(address);
    PutText(name != nullptr ? name->value() : address.Text(), event.host, sizeof event.host);
    event.port = local.port();
  }
  sandbox->shared->link->Event(event);
}

awaitable<void> RunConnection(std::shared_ptr<ProxiedConnection> connection) {
  co_await connection->Run();
}

awaitable<void> RunNames(std::shared_ptr<SandboxEgress> sandbox, tcp::socket client) {
  ++sandbox->open;
  ++sandbox->shared->connections;
  co_await ServeNamesOverTcp(sandbox, std::move(client));
  --sandbox->open;
  --sandbox->shared->connections;
}

}  // namespace

void EgressService::Take(EgressLink::Order order) {
  Done done;
  switch (order.order.kind) {
    case EgressOrderKind::kAddSandbox:
      done = Add(&order);
      break;
    case EgressOrderKind::kReplacePolicy:
      done = Replace(&order);
      break;
    case EgressOrderKind::kRemoveSandbox:
      done = Remove(order.order.sandbox);
      break;
  }
  EgressMessage answer;
  answer.kind = EgressMessageKind::kAnswer;
  answer.sequence = order.order.sequence;
  answer.sandbox = order.order.sandbox;
  answer.failed = done.status.ok() ? 0 : 1;
  answer.connections_cut = done.connections_cut;
  PutText(done.status.message(), answer.text, sizeof answer.text);
  shared_->link->Answer(answer);
}

EgressService::Done EgressService::Add(EgressLink::Order* order) {
  const uint64_t number = order->order.sandbox;
  if (sandboxes_.contains(number)) return {absl::AlreadyExistsError("the sandbox is there")};
  if (sandboxes_.size() >= shared_->setup.sandboxes_max) {
    return {absl::ResourceExhaustedError("as many sandboxes as there may be")};
  }
  auto rules = ReadRules(order->fds[0]);
  if (!rules.ok()) return {rules.status()};
  const auto sandbox = std::make_shared<SandboxEgress>(shared_, number, *std::move(rules));
  sandboxes_[number] = sandbox;
  for (uint32_t i = 0; i < order->order.sockets; ++i) {
    const absl::Status served = Serve(sandbox, order->order.role[i], std::move(order->fds[i + 1]));
    if (served.ok()) continue;
    (void)Remove(number);  // what was begun
    return {served};
  }
  return {absl::OkStatus()};
}

absl::Status EgressService::Serve(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role,
                                  UniqueFd fd) {
  boost::system::error_code error;
  auto socket = std::make_shared<asio::posix::stream_descriptor>(*shared_->io);
  socket->assign(fd.get(), error);
  if (error) return absl::InvalidArgumentError("a descriptor that cannot be waited for");
  (void)fd.Release();
  socket->native_non_blocking(true, error);
  sandbox->sockets.push_back(socket);
  switch (role) {
    case EgressRole::kTransparent:
    case EgressRole::kHttpProxy:
    case EgressRole::kSocks5:
    case EgressRole::kDnsTcp:
      asio::co_spawn(*shared_->io, AcceptAll(sandbox, role, socket), asio::detached);
      return absl::OkStatus();
    case EgressRole::kDnsUdp:
      asio::co_spawn(*shared_->io, ServeNamesOverUdp(sandbox, socket), asio::detached);
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError("a socket of no role");
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
  for (const auto& socket : sandbox->sockets) (void)socket->close(none);
  Done done;
  for (ProxiedConnection* const connection : sandbox->connections) {
    connection->Abort(EgressDenial::kNone);
    ++done.connections_cut;
  }
  return done;
}

awaitable<void> EgressService::AcceptAll(std::shared_ptr<SandboxEgress> sandbox, EgressRole role,
                                         std::shared_ptr<asio::posix::stream_descriptor> socket) {
  asio::steady_timer pause(*shared_->io);
  while (!sandbox->removed) {
    auto [error] = co_await socket->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (error || sandbox->removed) co_return;
    AcceptTurn(sandbox, role, socket->native_handle());
    if (errno == EINTR) {  // it waited, which it does not by itself: nothing more is taken from it
      boost::system::error_code none;
      (void)socket->close(none);
      co_return;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) continue;
    pause.expires_after(kShortOfDescriptors);
    (void)co_await pause.async_wait(kAsTuple);  // connections wait in the backlog
  }
}

// errno is then what the last accept(2) said.
void EgressService::AcceptTurn(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role,
                               int fd) {
  int last = 0;
  {
    const WaitGuard guard;
    for (int i = 0; i < kTurnAccepts && AcceptOne(sandbox, role, fd); ++i) {
    }
    last = errno;
  }
  errno = last;
}

bool EgressService::AcceptOne(const std::shared_ptr<SandboxEgress>& sandbox, EgressRole role,
                              int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  errno = 0;
  UniqueFd accepted(
      ::accept4(fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted.valid()) return false;
  tcp::socket client(*shared_->io);
  boost::system::error_code error;
  client.assign(peer.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), accepted.Release(), error);
  if (error) return true;
  const bool room = sandbox->open < sandbox->rules->limits().connections_max &&
                    shared_->connections < shared_->setup.connections_max &&
                    sandbox->connection_rate.Take(shared_->clock->MonotonicNanos());
  if (!room) {
    TellFull(sandbox.get(), client);
    ResetOnClose(&client);
    return true;
  }
  if (role == EgressRole::kDnsTcp) {
    asio::co_spawn(*shared_->io, RunNames(sandbox, std::move(client)), asio::detached);
  } else {
    asio::co_spawn(
        *shared_->io,
        RunConnection(std::make_shared<ProxiedConnection>(sandbox, role, std::move(client))),
        asio::detached);
  }
  return true;
}

}  // namespace glovebox

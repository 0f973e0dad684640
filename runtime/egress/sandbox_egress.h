// What the proxy knows of one sandbox, and what all of them share. Flat state of one thread.
#ifndef GLOVEBOX_EGRESS_SANDBOX_EGRESS_H_
#define GLOVEBOX_EGRESS_SANDBOX_EGRESS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "egress/client_commands.h"
#include "egress/egress_link.h"
#include "egress/egress_wire.h"
#include "egress/host_resolver.h"
#include "egress/kept_answers.h"
#include "egress/net_io.h"
#include "egress/rate_budget.h"
#include "egress/refusal_shares.h"
#include "egress/synthetic_names.h"
#include "linux/memfd.h"
#include "policy/egress_rules.h"

namespace glovebox {

class ProxiedConnection;
class TlsEnds;

struct EgressShared {
  // Wide windows are for the first who want them: they make downloads fast, and cost memory.
  static constexpr uint32_t kWideMax = 32;
  static constexpr uint32_t kWideOfSandboxMax = 4;

  asio::io_context* io = nullptr;
  const Clock* clock = nullptr;
  EgressLink* link = nullptr;
  HostResolver* resolver = nullptr;
  TlsEnds* tls = nullptr;
  EgressSetup setup;
  const std::atomic<uint64_t>* command_words = nullptr;  // sandboxes_max
  uint32_t connections = 0;                              // of all sandboxes
  uint32_t wide = 0;  // of these, connections of HTTP/2 with wide windows
  uint64_t next_connection = 1;
  std::vector<char> scratch;  // for bytes between a read and a write, never across a co_await
};

// Shared by its sockets' coroutines and its connections; ended by `removed`.
struct SandboxEgress {
  // `counted` is of an EgressBytes.
  SandboxEgress(EgressShared* in, uint64_t with_number, std::shared_ptr<const EgressRules> with,
                SharedMapping counted, const std::atomic<uint64_t>* command_word)
      : shared(in),
        number(with_number),
        rules(std::move(with)),
        connection_rate(rules->limits().connections_per_second),
        question_rate(kQuestionsPerSecond),
        commands(command_word),
        bytes(std::move(counted)) {}

  static constexpr uint32_t kQuestionsPerSecond = 500;  // to its name server

  // Whether so many more may go that way, which they are taken to do then, in the file at once.
  // What is there is no more than a number: another process had it, and it may say anything.
  bool Count(bool sending, uint64_t count) {
    auto* const all = reinterpret_cast<EgressBytes*>(bytes.data());
    const std::atomic_ref<uint64_t> counted(sending ? all->sent : all->received);
    const EgressLimits& limits = rules->limits();
    const uint64_t most = sending ? limits.sent_bytes_max : limits.received_bytes_max;
    const uint64_t before = counted.load(std::memory_order_relaxed);
    if (before > most || most - before < count) return false;
    // A proxy that a daemon left may still count, for the moment until it is killed.
    counted.fetch_add(count, std::memory_order_relaxed);
    return true;
  }

  // An event of it, by that command. Of refusals some are counted, and the next event of the
  // command says how many.
  void Tell(EgressMessage event, const ClientCommand& command) {
    event.sandbox = number;
    event.command = command.number;
    event.command_cgroup_id = command.cgroup_id;
    if (event.event == EgressEventKind::kRefused &&
        !refusals.Take(command.cgroup_id, shared->clock->MonotonicNanos())) {
      return;
    }
    event.lost = refusals.TakeUntold(command.cgroup_id);
    shared->link->Event(event);
  }

  EgressShared* const shared;
  const uint64_t number;
  std::shared_ptr<const EgressRules> rules;
  SyntheticNames names;
  KeptAnswers answers;
  RateBudget connection_rate;
  RateBudget question_rate;
  RefusalShares refusals;
  ClientCommands commands;
  const SharedMapping bytes;  // of all connections, also of those that are gone
  std::set<ProxiedConnection*> connections;
  std::set<tcp::socket*> name_clients;  // of the coroutines that serve them
  uint32_t open = 0;                    // both
  uint32_t wide = 0;                    // as of EgressShared
  struct Socket {
    EgressRole role = EgressRole::kTransparent;
    std::shared_ptr<asio::posix::stream_descriptor> socket;
  };
  std::vector<Socket> sockets;
  bool removed = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_SANDBOX_EGRESS_H_

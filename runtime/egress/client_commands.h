// Which command of its sandbox a client of the proxy is of.
//
// While one command runs alone, the daemon says its number, and nothing is asked. While several
// run, or processes that an earlier one left behind, the kernel is asked in which cgroup the
// client's socket was made: by its two addresses, over a socket of the sandbox's network namespace.
// The client's socket is there as long as it waits to be accepted or answered, so this is asked
// then, before anything is said to it. Nobody in the sandbox has a part in the answer.
//
// Init has that socket too, and could steal answers or begin long listings in it. That costs its
// own sandbox the knowledge, and others nothing: what goes wrong or takes long is counted, and
// beyond a number nothing is asked any more.
#ifndef GLOVEBOX_EGRESS_CLIENT_COMMANDS_H_
#define GLOVEBOX_EGRESS_CLIENT_COMMANDS_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "egress/egress_wire.h"
#include "linux/socket_diag.h"
#include "policy/ip_address.h"

namespace glovebox {

// At most one is not 0; both are when it is not known.
struct ClientCommand {
  uint64_t number = 0;
  uint64_t cgroup_id = 0;
};

struct ClientEnds {
  SocketEnd client, server;
};
SocketEnd ToSocketEnd(const IpAddress& address, uint16_t port);

// One thread.
class ClientCommands {
 public:
  // `word`: the sandbox's, see EgressCommandWord; outlives it.
  explicit ClientCommands(const std::atomic<uint64_t>* word) : word_(word) {}

  // What to ask on, instead of what there was. DATA_LOSS: it is no such socket.
  absl::Status AskOn(UniqueFd diag);

  // The sandbox goes: a socket keeps its network namespace.
  void AskNoMore() { diag_.reset(); }

  // `ends` is called where they are needed; nullopt: they cannot be told.
  ClientCommand Of(SocketProtocol protocol, absl::FunctionRef<std::optional<ClientEnds>()> ends);

 private:
  // A question takes microseconds of this thread.
  static constexpr int64_t kQuestionNanosMax = 500'000;
  // One that goes wrong weighs as much as so many that go well, and so many more of them are too
  // many.
  static constexpr uint32_t kWrongWeight = 256;
  static constexpr uint32_t kWrongMax = 16;

  uint64_t Ask(SocketProtocol protocol, const ClientEnds& ends);
  void Count(bool wrong);

  const std::atomic<uint64_t>* const word_;
  std::optional<SocketDiag> diag_;
  bool no_udp_ = false;  // this kernel does not tell of it
  uint32_t wrong_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_CLIENT_COMMANDS_H_

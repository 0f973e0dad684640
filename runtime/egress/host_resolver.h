// Names to addresses by the host's name servers, with c-ares.
#ifndef GLOVEBOX_EGRESS_HOST_RESOLVER_H_
#define GLOVEBOX_EGRESS_HOST_RESOLVER_H_

#include <ares.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "egress/net_io.h"
#include "policy/host_name.h"
#include "policy/ip_address.h"

namespace glovebox {

// What a name server answered.
struct ResolvedName {
  std::vector<IpAddress> addresses;
  uint32_t ttl_seconds = 0;  // how long it may be kept: the least of all its parts (RFC 1035)
};

// One thread. Nothing is kept. A name is asked for as it is, without search domains and without
// /etc/hosts.
class HostResolver {
 public:
  static constexpr size_t kAddressesMax = 16;

  // Before the process is confined: c-ares seeds the numbers of its questions from /dev/urandom,
  // and would take rand(3) where there is none. UNAVAILABLE when it cannot start.
  static absl::StatusOr<std::unique_ptr<HostResolver>> Make(
      asio::io_context* io, const std::vector<EgressEndpoint>& name_servers);
  ~HostResolver();
  HostResolver(const HostResolver&) = delete;
  HostResolver& operator=(const HostResolver&) = delete;

  // Of these from now on, also what is under way. UNAVAILABLE: c-ares does not take them.
  absl::Status SetNameServers(const std::vector<EgressEndpoint>& name_servers);

  // At most kAddressesMax addresses, IPv4 first: a host whose IPv6 leads nowhere is common. Empty:
  // there is none, or no answer in time. `give_up`, which outlives the call, can be cancelled.
  awaitable<ResolvedName> Resolve(HostName name, asio::steady_timer* give_up);

 private:
  struct Direction {
    bool wanted = false;
    bool waited_for = false;
  };
  struct Watch {
    asio::posix::stream_descriptor socket;
    Direction read = {};
    Direction write = {};
  };
  struct Lookup;

  explicit HostResolver(asio::io_context* io) : io_(io), timer_(*io) {}
  static void SocketChanged(void* self, ares_socket_t fd, int read, int write);
  void Ask(const std::shared_ptr<Lookup>& lookup);
  static void Answered(void* argument, int status, int timeouts, ares_addrinfo* found);
  void Wait(int fd, const std::shared_ptr<Watch>& watch);
  void WaitTo(asio::posix::stream_descriptor::wait_type wait, Direction* direction, int fd,
              const std::shared_ptr<Watch>& watch);
  void Process(int read_fd, int write_fd);
  void ArmTimer();

  asio::io_context* const io_;
  asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  std::map<int, std::shared_ptr<Watch>> watches_;
  bool changing_ = false;                          // its name servers
  std::vector<std::shared_ptr<Lookup>> to_again_;  // asked before that, and not answered
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HOST_RESOLVER_H_

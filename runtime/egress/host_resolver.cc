#include "egress/host_resolver.h"

#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr int kTryMs = 2000;
constexpr int kTries = 2;
constexpr auto kAtMost = std::chrono::seconds(20);

std::string ServerText(const EgressEndpoint& server) {
  const IpAddress address = FromWire(server);
  return address.is_v6 ? absl::StrCat("[", address.Text(), "]:", server.port)
                       : absl::StrCat(address.Text(), ":", server.port);
}

IpAddress AddressOf(const sockaddr& address) {
  IpAddress found;
  if (address.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    return IpAddress::V4(ntohl(in.sin_addr.s_addr));
  }
  sockaddr_in6 in6;
  std::memcpy(&in6, &address, sizeof in6);
  std::memcpy(found.bytes.data(), &in6.sin6_addr, found.bytes.size());
  return IpAddress::V6(found.bytes);
}

// Of each family no more than are wanted in all: a name server may answer thousands.
std::vector<IpAddress> AddressesOf(const ares_addrinfo& found) {
  std::vector<IpAddress> v4;
  std::vector<IpAddress> v6;
  for (const ares_addrinfo_node* node = found.nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    const IpAddress address = AddressOf(*node->ai_addr);
    std::vector<IpAddress>& family = address.is_v6 ? v6 : v4;
    if (family.size() < HostResolver::kAddressesMax &&
        std::find(family.begin(), family.end(), address) == family.end()) {
      family.push_back(address);
    }
  }
  v4.insert(v4.end(), v6.begin(), v6.end());
  if (v4.size() > HostResolver::kAddressesMax) v4.resize(HostResolver::kAddressesMax);
  return v4;
}

uint32_t TtlOf(const ares_addrinfo& found) {
  int least = INT_MAX;
  for (const auto* node = found.nodes; node != nullptr; node = node->ai_next) {
    least = std::min(least, node->ai_ttl);
  }
  for (const auto* alias = found.cnames; alias != nullptr; alias = alias->next) {
    least = std::min(least, alias->ttl);
  }
  return static_cast<uint32_t>(std::max(least, 0));
}

absl::Status Failed(int result) {
  return absl::UnavailableError(absl::StrCat("c-ares: ", ares_strerror(result)));
}

}  // namespace

struct HostResolver::Lookup {
  HostResolver* resolver;
  std::string asked;
  ResolvedName name = {};
  bool answered = false;
  asio::steady_timer* give_up = nullptr;  // null: nobody waits any more
};

absl::StatusOr<std::unique_ptr<HostResolver>> HostResolver::Make(
    asio::io_context* io, const std::vector<EgressEndpoint>& name_servers) {
  std::unique_ptr<HostResolver> resolver(new HostResolver(io));
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                  ARES_FLAG_IGNTC;  // addresses enough fit in the packet
  options.timeout = kTryMs;
  options.tries = kTries;
  char dns_alone[] = "b";
  options.lookups = dns_alone;
  options.sock_state_cb = SocketChanged;
  options.sock_state_cb_data = resolver.get();
  int result = ares_library_init(ARES_LIB_INIT_ALL);
  if (result == ARES_SUCCESS) {
    result = ares_init_options(&resolver->channel_, &options,
                               ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
  }
  if (result != ARES_SUCCESS) return Failed(result);
  RETURN_IF_ERROR(resolver->SetNameServers(name_servers));
  return resolver;
}

// c-ares 1.18 takes no others while a question is under way (ARES_ENOTIMP), and another channel
// could not be seeded any more: so all are broken off, and asked anew.
absl::Status HostResolver::SetNameServers(const std::vector<EgressEndpoint>& name_servers) {
  const std::string servers = absl::StrJoin(
      name_servers, ",",
      [](std::string* out, const EgressEndpoint& server) { out->append(ServerText(server)); });
  changing_ = true;
  ares_cancel(channel_);
  changing_ = false;
  const int result = ares_set_servers_ports_csv(channel_, servers.c_str());
  for (const auto& lookup : std::exchange(to_again_, {})) Ask(lookup);
  ArmTimer();
  return result == ARES_SUCCESS ? absl::OkStatus() : Failed(result);
}

HostResolver::~HostResolver() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

// Called by c-ares before it closes a socket, too, with neither.
void HostResolver::SocketChanged(void* self, ares_socket_t fd, int read, int write) {
  auto* const resolver = static_cast<HostResolver*>(self);
  std::shared_ptr<Watch>& watch = resolver->watches_[fd];
  if (read == 0 && write == 0) {
    if (watch != nullptr) (void)watch->socket.release();  // the number stays c-ares's to close
    resolver->watches_.erase(fd);
    return;
  }
  if (watch == nullptr) {
    watch = std::make_shared<Watch>(Watch{asio::posix::stream_descriptor(*resolver->io_, fd)});
  }
  watch->read.wanted = read != 0;
  watch->write.wanted = write != 0;
  resolver->Wait(fd, watch);
}

void HostResolver::Wait(int fd, const std::shared_ptr<Watch>& watch) {
  using Socket = asio::posix::stream_descriptor;
  WaitTo(Socket::wait_read, &watch->read, fd, watch);
  WaitTo(Socket::wait_write, &watch->write, fd, watch);
}

// `direction` is of `watch`.
void HostResolver::WaitTo(asio::posix::stream_descriptor::wait_type wait, Direction* direction,
                          int fd, const std::shared_ptr<Watch>& watch) {
  if (!direction->wanted || direction->waited_for) return;
  direction->waited_for = true;
  watch->socket.async_wait(wait, [this, wait, direction, fd, watch](auto error) {
    direction->waited_for = false;
    const auto is_current = [&] {
      const auto found = watches_.find(fd);
      return found != watches_.end() && found->second == watch;
    };
    if (error || !is_current()) return;
    const bool reads = wait == asio::posix::stream_descriptor::wait_read;
    Process(reads ? fd : ARES_SOCKET_BAD, reads ? ARES_SOCKET_BAD : fd);
    if (is_current()) Wait(fd, watch);
  });
}

void HostResolver::Process(int read_fd, int write_fd) {
  ares_process_fd(channel_, read_fd, write_fd);
  ArmTimer();
}

void HostResolver::ArmTimer() {
  timeval room{};
  const timeval* const next = ares_timeout(channel_, nullptr, &room);
  if (next == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::seconds(next->tv_sec) +
                       std::chrono::microseconds(next->tv_usec) + std::chrono::milliseconds(1));
  timer_.async_wait([this](auto error) {
    if (!error) Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

void HostResolver::Answered(void* argument, int status, int /*timeouts*/, ares_addrinfo* found) {
  const std::unique_ptr<std::shared_ptr<Lookup>> mine(
      static_cast<std::shared_ptr<Lookup>*>(argument));
  Lookup& lookup = **mine;
  if (status != ARES_SUCCESS && lookup.resolver->changing_) {
    if (lookup.give_up != nullptr) lookup.resolver->to_again_.push_back(*mine);
    return;
  }
  if (status == ARES_SUCCESS && found != nullptr) {
    lookup.name = {AddressesOf(*found), TtlOf(*found)};
  }
  if (found != nullptr) ares_freeaddrinfo(found);
  lookup.answered = true;
  if (lookup.give_up != nullptr) lookup.give_up->cancel();
}

// Answered() may be called at once, and after who asked has given up.
void HostResolver::Ask(const std::shared_ptr<Lookup>& lookup) {
  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NOSORT;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(channel_, lookup->asked.c_str(), nullptr, &hints, Answered,
                   new std::shared_ptr<Lookup>(lookup));
}

awaitable<ResolvedName> HostResolver::Resolve(HostName name, asio::steady_timer* give_up) {
  const auto lookup = std::make_shared<Lookup>(Lookup{this, name.value()});
  lookup->give_up = give_up;
  give_up->expires_after(kAtMost);
  Ask(lookup);
  ArmTimer();
  if (!lookup->answered) {
    (void)co_await give_up->async_wait(kAsTuple);
  }
  lookup->give_up = nullptr;
  co_return lookup->name;
}

}  // namespace glovebox

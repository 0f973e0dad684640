// glovebox-egress: the only way out of sandboxes. gloveboxd starts it, and hands it the sockets
// that it made in the network namespaces of sandboxes, with a policy for each.
//
//   processes   one, one thread, for all sandboxes of the host; a child of gloveboxd
//   privilege   none: user and group nobody, no capability, an empty root, an allow list of system
//               calls; all of that before the first byte of a payload. It keeps the host's network,
//               which its connections leave by
//   channel     descriptor 3, SOCK_SEQPACKET, egress_wire.h; its end is the end of this process
//   sees        which command runs alone in a sandbox, in memory that the daemon writes
//   holds       the bytes of connections on their way, closed or, where a rule needs it, opened,
//               and the key of the authority that sandboxes trust, which comes over the channel
//
// Which sandbox a byte is of is known by the socket that it came from, and by nothing that is said.
// It has no words of its own for anybody: what is worth knowing goes to gloveboxd, as events.
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "egress/call_filter.h"
#include "egress/egress_link.h"
#include "egress/egress_service.h"
#include "egress/egress_wire.h"
#include "egress/host_resolver.h"
#include "egress/http2_relay.h"
#include "egress/sandbox_egress.h"
#include "egress/tls_ends.h"
#include "egress/wait_guard.h"
#include "linux/allow_filter.h"
#include "linux/confinement.h"

namespace glovebox {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 10;
constexpr uint64_t kDescriptorsBesides = 64;
constexpr uint64_t kMemoryBytes = uint64_t{512} << 20;  // libraries, policies
constexpr uint64_t kWideBytes =
    uint64_t{EgressShared::kWideMax} * uint64_t{Http2Relay::kWideAnswers.connection};
constexpr uint64_t kNamesBytes = uint64_t{5} << 20;  // of a sandbox that fills SyntheticNames
constexpr uint64_t kSandboxesFull = 256;             // that do, of all that there may be
constexpr uint64_t kCountBytes = 4096;               // of a sandbox, a page
constexpr uint64_t kConnectionBytes = uint64_t{512} << 10;  // coroutines, TLS and both sides unread

void PrepareProcess() {
  (void)::prctl(PR_SET_NAME, "glovebox-egress", 0, 0, 0);  // cannot fail
  for (const int ignored : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) (void)::signal(ignored, SIG_IGN);
  WaitGuard::Prepare();
  // What glibc would read from files later, it reads now or never.
  (void)::setenv("TZ", "UTC0", 1);  // fails only without memory
  ::tzset();
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_TRIM_THRESHOLD, 8 << 20);
  (void)::mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

absl::Status Confine(const EgressSetup& setup) {
  RETURN_IF_ERROR(EnterEmptyWorld("glovebox-egress", WorldNetwork::kHosts));
  const uint64_t connections = setup.connections_max;
  return GiveUpPrivilege(setup.uid,
                         connections * 2 + setup.sandboxes_max * uint64_t{kEgressSocketsOnAverage} +
                             kDescriptorsBesides,
                         kMemoryBytes + kWideBytes + connections * kConnectionBytes +
                             setup.sandboxes_max * kCountBytes +
                             std::min<uint64_t>(setup.sandboxes_max, kSandboxesFull) * kNamesBytes);
}

// For as long as this process lives. The daemon vouches that they are there.
absl::StatusOr<const std::atomic<uint64_t>*> MapCommandWords(const UniqueFd& memfd, size_t words) {
  static_assert(sizeof(std::atomic<uint64_t>) == sizeof(EgressCommandWord));
  const void* const mapped =
      ::mmap(nullptr, words * sizeof(EgressCommandWord), PROT_READ, MAP_SHARED, memfd.get(), 0);
  if (mapped == MAP_FAILED) return ErrnoError(errno, "mmap of what commands run");
  return static_cast<const std::atomic<uint64_t>*>(mapped);
}

absl::Status Serve(asio::io_context* io, EgressLink* link) {
  const RealClock clock;
  EgressShared shared;
  shared.io = io;
  shared.clock = &clock;
  shared.link = link;
  shared.scratch.resize(kPieceBytes);
  EgressLink::Setup setup;
  RETURN_IF_ERROR(link->Receive(&setup));
  shared.setup = setup.setup;
  ::explicit_bzero(&setup.setup, sizeof setup.setup);  // it has a key
  ASSIGN_OR_RETURN(shared.command_words,
                   MapCommandWords(setup.command_words, shared.setup.sandboxes_max));
  ASSIGN_OR_RETURN(const auto tls, TlsEnds::Make(&shared.setup, std::move(setup.roots), &clock));
  shared.tls = tls.get();
  const std::vector<EgressEndpoint> name_servers(
      shared.setup.name_server, shared.setup.name_server + shared.setup.name_servers);
  ASSIGN_OR_RETURN(const auto resolver, HostResolver::Make(io, name_servers));
  shared.resolver = resolver.get();
  EgressService service(&shared);
  RETURN_IF_ERROR(Confine(shared.setup));
  // What the loop makes once, it makes before the filter.
  link->Start([&](EgressLink::Order order) { service.Take(std::move(order)); }, [] { ::_exit(0); });
  RETURN_IF_ERROR(LoadAllowFilter(EgressCalls()));
  link->Ready();
  (void)io->run();
  return absl::OkStatus();
}

}  // namespace
}  // namespace glovebox

int main() {
  glovebox::PrepareProcess();
  glovebox::asio::io_context io(1);
  glovebox::EgressLink link(&io, glovebox::UniqueFd(glovebox::kEgressControlFd));
  const absl::Status served = glovebox::Serve(&io, &link);
  if (!served.ok()) link.Failed(served.message());
  ::_exit(served.ok() ? 0 : 1);
}

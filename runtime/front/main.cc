// glovebox-front: the API's TCP port. gloveboxd starts it, hands it the listening socket and the
// certificates, and is handed connections whose clients are known.
//
//   processes   one, one thread, a child of gloveboxd, restarted by it
//   privilege   none: user and group nobody, no capability, an empty root, no network to connect
//               to, an allow list of system calls; all of that before the first byte of a client
//   channel     descriptor 3, SOCK_SEQPACKET, front_wire.h; its end is the end of this process
//   holds       the key of the server's certificate, in memory; the clients' streams in the clear
//
// It has no words of its own for anybody: what is worth knowing goes to gloveboxd, which logs it.
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "front/call_filter.h"
#include "front/daemon_link.h"
#include "front/front_loop.h"
#include "linux/confinement.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kPemBytesMax = size_t{1} << 20;
constexpr uint64_t kDescriptorsBesides = 32;
// Libraries and heap; and for each connection both buffers and libssl's.
constexpr uint64_t kMemoryBytes = uint64_t{256} << 20;
constexpr uint64_t kConnectionBytes = uint64_t{256} << 10;

void PrepareProcess() {
  (void)::prctl(PR_SET_NAME, "glovebox-front", 0, 0, 0);  // cannot fail
  // gloveboxd ends this process when its streams have ended; a terminal's ^C is for gloveboxd.
  for (const int ignored : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) (void)::signal(ignored, SIG_IGN);
  // glibc reads the time zone once, from a file, even for times of day in UTC: now.
  (void)::setenv("TZ", "UTC0", 1);  // fails only without memory
  ::tzset();
  // A second arena would be looked for in /sys when memory is short, which the filter ends.
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_TRIM_THRESHOLD, 8 << 20);
  (void)::mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

absl::StatusOr<TlsIdentity> ReadIdentity(const std::vector<UniqueFd>& fds) {
  TlsIdentity identity;
  std::string* const parts[] = {&identity.certificate, &identity.key, &identity.client_ca};
  for (size_t i = 0; i < 3; ++i) {
    parts[i]->resize(kPemBytesMax);
    const ssize_t count = ::pread(fds[i + 1].get(), parts[i]->data(), kPemBytesMax, 0);
    if (count < 0) return ErrnoError(errno, "reading PEM");
    parts[i]->resize(static_cast<size_t>(count));
  }
  return identity;
}

absl::Status Confine(const FrontSetup& setup) {
  RETURN_IF_ERROR(EnterEmptyWorld("glovebox-front", WorldNetwork::kNone));
  const uint64_t connections = setup.connections_max;
  return GiveUpPrivilege(setup.uid, connections * 2 + kDescriptorsBesides,
                         kMemoryBytes + connections * kConnectionBytes);
}

absl::Status Serve(DaemonLink* link) {
  ASSIGN_OR_RETURN(DaemonLink::Received received, link->Receive());
  RETURN_IF_ERROR(Confine(received.setup));
  ASSIGN_OR_RETURN(TlsContext tls, [&]() -> absl::StatusOr<TlsContext> {
    ASSIGN_OR_RETURN(const TlsIdentity identity, ReadIdentity(received.fds));
    return MakeTlsContext(identity);
  }());
  const RealClock clock;
  ASSIGN_OR_RETURN(const auto loop, FrontLoop::Make(received.setup, std::move(received.fds[0]),
                                                    std::move(tls), link, &clock));
  received.fds.clear();
  RETURN_IF_ERROR(LoadAllowFilter(FrontCalls()));
  link->Ready();
  loop->Run();
  return absl::OkStatus();
}

}  // namespace
}  // namespace glovebox

int main() {
  glovebox::PrepareProcess();
  glovebox::DaemonLink link{glovebox::UniqueFd(glovebox::kFrontControlFd)};
  const absl::Status served = glovebox::Serve(&link);
  if (!served.ok()) link.Failed(served.message());
  ::_exit(served.ok() ? 0 : 1);
}

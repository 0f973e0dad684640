#include "daemon/lookup_server.h"

#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/allow_filter.h"
#include "linux/capabilities.h"
#include "linux/confinement.h"
#include "linux/seqpacket.h"
#include "linux/socket_lookup.h"

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

namespace glovebox {
namespace {

constexpr char kServesName[] = "glovebox-lookup";
constexpr char kReserveName[] = "lookup-reserve";
// A child of the daemon, as its maker is: the daemon reaps it.
constexpr unsigned kAnother = CLONE_PARENT | SIGCHLD;

std::vector<AllowedCall> LookupCalls() {
  return WithCallsOfEveryProcess({
      ALLOWED_CALL(recvmsg, "two sockets of a sandbox"),
      ALLOWED_CALL(sendmsg, "what holds the program there"),
      ALLOWED_CALL(bpf, "the map, the program, and where it is asked"),
      ALLOWED_CALL(ioctl, "whose network a socket is of", {1, kWholeArgument, SIOCGSKNS}),
      ALLOWED_CALL(newfstatat, "which that is"),
      ALLOWED_CALL(fstat, "the same"),
      ALLOWED_CALL(setsockopt, "SO_REUSEADDR"),
      ALLOWED_CALL(close, "all of these"),
      ALLOWED_CALL(clone, "the other one, when that has ended", {0, kWholeArgument, kAnother}),
      ALLOWED_CALL(prctl, "the name of that", {0, kWholeArgument, PR_SET_NAME}),
      ALLOWED_CALL(getpid, "for the daemon to know its end by"),
      ALLOWED_CALL(pidfd_open, "the same"),
  });
}

// What a process of these two is; each makes the other.
struct Post {
  UniqueFd control;
  bool serves;
};

absl::Status Call(long result, absl::string_view what) {
  return result < 0 ? ErrnoError(errno, what) : absl::OkStatus();
}

// In this order, as GiveUpPrivilege(): what a step needs, a later one gives up.
// Returns a socket of the network namespace that is its own then.
absl::StatusOr<UniqueFd> Confine() {
  RETURN_IF_ERROR(EnterEmptyWorld(kServesName, WorldNetwork::kNone));
  UniqueFd own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  RETURN_IF_ERROR(Call(own.get(), "socket"));
  RETURN_IF_ERROR(KeepOnlyCapabilities({CAP_NET_ADMIN, CAP_BPF}));
  RETURN_IF_ERROR(Call(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs"));
  RETURN_IF_ERROR(Call(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE"));
  RETURN_IF_ERROR(LoadAllowFilter(LookupCalls()));
  return own;
}

absl::StatusOr<UniqueFd> Give(const absl::StatusOr<SocketLookup>& lookup, const Packet& question,
                              uint64_t hosts_namespace) {
  RETURN_IF_ERROR(lookup.status());
  if (question.fds.size() != 2) return absl::InvalidArgumentError("not two sockets");
  return lookup->Attach(question.fds[0].get(), question.fds[1].get(), hosts_namespace);
}

absl::Status Say(int control, const absl::Status& done, const std::vector<int>& fds) {
  const absl::string_view why = done.message();
  return SendPacket(control, done.ok() ? kLookupDone : absl::StrCat("-", why.substr(0, 512)), fds);
}

absl::Status Greet(int control, absl::Status done) {
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (done.ok()) done = Call(self.get(), "pidfd_open");
  RETURN_IF_ERROR(
      Say(control, done, self.valid() ? std::vector<int>{self.get()} : std::vector<int>{}));
  return done;
}

// Whether somebody has the other end: a daemon that stops has let go of it.
bool IsWaitedFor(int control) {
  msghdr nothing{};
  return ::recvmsg(control, &nothing, MSG_DONTWAIT | MSG_PEEK | MSG_CMSG_CLOEXEC) < 0 &&
         errno == EAGAIN;
}

// Until the daemon ends, or lets go: none. Or what the process is from then on, in one that was
// made meanwhile: its copies of what its maker had are closed by the return.
// Each program is for one sandbox, so the next one is loaded while nobody waits for it.
std::optional<Post> Serve(const Post& post, int own, uint64_t hosts_namespace) {
  absl::StatusOr<SocketLookup> next = absl::UnavailableError("it is the one in reserve");
  absl::StatusOr<UniqueFd> first = UniqueFd();
  if (post.serves) {
    next = SocketLookup::Load();
    first = next.ok() ? next->AttachToNobody(own) : next.status();
  }
  if (!Greet(post.control.get(), first.status()).ok()) return std::nullopt;
  if (post.serves) next = SocketLookup::Load();
  for (;;) {
    absl::StatusOr<Packet> question = ReceivePacket(post.control.get(), 1, 2, -1);
    if (!question.ok() || question->bytes.empty()) return std::nullopt;
    if (question->bytes == kLookupAnother) {
      if (question->fds.size() != 1) return std::nullopt;
      if (!IsWaitedFor(question->fds[0].get())) continue;
      // In both the other's socket is closed where it does not belong: that none was made is its
      // end.
      if (::syscall(SYS_clone, kAnother, nullptr, nullptr, nullptr, 0) != 0) continue;
      return Post{std::move(question->fds[0]), !post.serves};
    }
    absl::StatusOr<UniqueFd> link = Give(next, *question, hosts_namespace);
    const std::vector<int> with = link.ok() ? std::vector<int>{link->get()} : std::vector<int>{};
    if (!Say(post.control.get(), link.status(), with).ok()) return std::nullopt;
    link = absl::UnknownError("given");  // the daemon's alone: its end is the end of it
    next = SocketLookup::Load();
  }
}

}  // namespace

void RunLookup(int control, pid_t parent, uint64_t hosts_namespace) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // cannot fail for a valid signal
  if (::getppid() != parent) ::_exit(1);
  const auto first = static_cast<unsigned>(control) + 1;
  if (::syscall(SYS_close_range, first, ~0U, 0) != 0) ::_exit(1);
  if (control > 0 && ::syscall(SYS_close_range, 0U, first - 2, 0) != 0) ::_exit(1);
  const absl::StatusOr<UniqueFd> own = Confine();
  if (!own.ok()) {
    (void)Say(control, own.status(), {});  // the daemon learns that it ended in any case
    ::_exit(1);
  }
  std::optional<Post> post = Post{UniqueFd(control), false};
  while (post.has_value()) {
    // Cannot fail for a name.
    (void)::prctl(PR_SET_NAME, post->serves ? kServesName : kReserveName, 0, 0, 0);
    post = Serve(*post, own->get(), hosts_namespace);
  }
  ::_exit(0);
}

}  // namespace glovebox

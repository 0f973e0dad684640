#include "daemon/lookup_process.h"

#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status.h"
#include "linux/allow_filter.h"
#include "linux/capabilities.h"
#include "linux/confinement.h"
#include "linux/process.h"
#include "linux/seqpacket.h"
#include "linux/socket_lookup.h"

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

namespace glovebox {
namespace {

constexpr char kName[] = "glovebox-lookup";
constexpr int kAnswerTimeoutMs = 20'000;  // generous: a loaded host may take long
constexpr size_t kAnswerBytesMax = 1024;
constexpr char kDone[] = "+";      // else why not; to a question, with the link
constexpr char kQuestion[] = "?";  // with the two sockets

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
  });
}

absl::Status Call(long result, absl::string_view what) {
  return result < 0 ? ErrnoError(errno, what) : absl::OkStatus();
}

// In this order, as GiveUpPrivilege(): what a step needs, a later one gives up.
// Returns a socket of the network namespace that is its own then.
absl::StatusOr<UniqueFd> Confine() {
  RETURN_IF_ERROR(EnterEmptyWorld(kName, WorldNetwork::kNone));
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
  return SendPacket(control, done.ok() ? kDone : absl::StrCat("-", why.substr(0, 512)), fds);
}

// Until the daemon ends, or lets go. Each program is for one sandbox, so the next one is loaded
// while nobody waits for it.
void Serve(int control, int own, uint64_t hosts_namespace) {
  absl::StatusOr<SocketLookup> next = SocketLookup::Load();
  const absl::StatusOr<UniqueFd> first = next.ok() ? next->AttachToNobody(own) : next.status();
  if (!Say(control, first.status(), {}).ok() || !first.ok()) return;
  next = SocketLookup::Load();
  for (;;) {
    const absl::StatusOr<Packet> question = ReceivePacket(control, 1, 2, -1);
    if (question.ok() && question->bytes.empty()) return;
    if (!question.ok() && !absl::IsResourceExhausted(question.status())) return;
    absl::StatusOr<UniqueFd> link =
        question.ok() ? Give(next, *question, hosts_namespace) : question.status();
    const std::vector<int> with = link.ok() ? std::vector<int>{link->get()} : std::vector<int>{};
    if (!Say(control, link.status(), with).ok()) return;
    link = absl::UnknownError("given");  // the daemon's alone: its end is the end of it
    next = SocketLookup::Load();
  }
}

[[noreturn]] void RunChild(int control, pid_t parent, uint64_t hosts_namespace) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // cannot fail for a valid signal
  (void)::prctl(PR_SET_NAME, kName, 0, 0, 0);         // the same
  if (::getppid() != parent) ::_exit(1);
  const auto first = static_cast<unsigned>(control) + 1;
  if (::syscall(SYS_close_range, first, ~0U, 0) != 0) ::_exit(1);
  if (control > 0 && ::syscall(SYS_close_range, 0U, first - 2, 0) != 0) ::_exit(1);
  const absl::StatusOr<UniqueFd> own = Confine();
  if (!own.ok()) {
    (void)Say(control, own.status(), {});  // the daemon learns that it ended in either case
    ::_exit(1);
  }
  Serve(control, own->get(), hosts_namespace);
  ::_exit(0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LookupProcess>> LookupProcess::Start() {
  ASSIGN_OR_RETURN(const uint64_t hosts_namespace, OwnNetworkNamespace());
  ASSIGN_OR_RETURN(auto sockets, MakeSeqpacketPair());
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoError(errno, "fork");
  if (pid == 0) RunChild(sockets.second.get(), parent, hosts_namespace);
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return ErrnoError(errno, "pidfd_open");  // it ends with its socket
  sockets.second.Reset();
  std::unique_ptr<LookupProcess> process(
      new LookupProcess(std::move(sockets.first), std::move(pidfd), pid));
  absl::MutexLock lock(&process->mutex_);
  const absl::StatusOr<UniqueFd> first = process->Answer();
  if (!first.ok()) return first.status();
  return process;
}

LookupProcess::~LookupProcess() { (void)EndChild(&pidfd_); }

// What comes later would be taken for the answer to another question.
absl::Status LookupProcess::LetGo(const absl::Status& why) {
  control_.Reset();
  return absl::InternalError(
      absl::StrCat(kName, " does not serve any more (", why.message(), "); restart the daemon"));
}

absl::StatusOr<UniqueFd> LookupProcess::Answer() {
  absl::StatusOr<Packet> answer =
      ReceivePacket(control_.get(), kAnswerBytesMax, 1, kAnswerTimeoutMs);
  if (answer.ok() && answer->bytes.empty()) answer = absl::UnavailableError("it has ended");
  if (!answer.ok()) return LetGo(answer.status());
  if (answer->bytes != kDone) {
    return absl::InternalError(absl::StrCat(kName, ": ", answer->bytes.substr(1)));
  }
  return answer->fds.empty() ? UniqueFd() : std::move(answer->fds[0]);
}

absl::StatusOr<UniqueFd> LookupProcess::GiveEveryPort(int names, int others) {
  absl::MutexLock lock(&mutex_);
  if (!control_.valid()) return LetGo(absl::UnavailableError("it has ended"));
  const absl::Status asked = SendPacket(control_.get(), kQuestion, {names, others});
  if (!asked.ok()) return LetGo(asked);
  ASSIGN_OR_RETURN(UniqueFd link, Answer());
  if (!link.valid()) return absl::InternalError(absl::StrCat(kName, " gives nothing"));
  return link;
}

}  // namespace glovebox

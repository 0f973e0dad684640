#include "daemon/lookup_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "daemon/lookup_server.h"
#include "linux/process.h"
#include "linux/seqpacket.h"
#include "linux/socket_lookup.h"

namespace glovebox {
namespace {

constexpr char kName[] = "glovebox-lookup";
constexpr int kAnswerTimeoutMs = 20'000;  // generous: a loaded host may take long
constexpr size_t kAnswerBytesMax = 1024;

absl::Status Gone(absl::string_view why) {
  return DetailedError(
      absl::StatusCode::kUnavailable,
      absl::StrCat(kName, ", which gives sandboxes every port of their way out, ", why),
      {"LOOKUP_GONE", {}});
}

absl::StatusOr<Packet> Hear(int control) {
  ASSIGN_OR_RETURN(Packet packet, ReceivePacket(control, kAnswerBytesMax, 1, kAnswerTimeoutMs));
  if (packet.bytes.empty()) return absl::UnavailableError("it has ended");
  return packet;
}

absl::Status Refused(const Packet& packet) {
  return absl::InternalError(absl::StrCat(kName, ": ", packet.bytes.substr(1)));
}

}  // namespace

absl::StatusOr<LookupProcess::Lookup> LookupProcess::Greeted(UniqueFd control) {
  ASSIGN_OR_RETURN(Packet packet, Hear(control.get()));
  if (packet.fds.empty()) return Refused(packet);
  UniqueFd pidfd = std::move(packet.fds[0]);
  if (packet.bytes == kLookupDone) return Lookup{std::move(control), std::move(pidfd)};
  (void)EndChild(&pidfd);  // it says why itself
  return Refused(packet);
}

absl::StatusOr<std::unique_ptr<LookupProcess>> LookupProcess::Start() {
  ASSIGN_OR_RETURN(const uint64_t hosts_namespace, OwnNetworkNamespace());
  ASSIGN_OR_RETURN(auto sockets, MakeSeqpacketPair());
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoError(errno, "eventfd");
  std::unique_ptr<LookupProcess> process(new LookupProcess(std::move(wake)));
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoError(errno, "fork");
  if (pid == 0) RunLookup(sockets.second.get(), parent, hosts_namespace);
  process->reserve_.pidfd.Reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process->reserve_.pidfd.valid()) return ErrnoError(errno, "pidfd_open");
  sockets.second.Reset();
  ASSIGN_OR_RETURN(process->reserve_, Greeted(std::move(sockets.first)));
  RETURN_IF_ERROR(process->MakeServing(absl::Now() + absl::Milliseconds(kAnswerTimeoutMs)));
  return process;
}

LookupProcess::~LookupProcess() {
  EndWatch();
  absl::MutexLock lock(&mutex_);
  for (Lookup* one : {&serving_, &reserve_}) {
    if (one->pidfd.valid()) (void)EndChild(&one->pidfd);
  }
}

void LookupProcess::Watch(const Log* log) {
  thread_ = std::thread([this, log] { Run(*log); });
}

void LookupProcess::EndWatch() {
  ending_.store(true);
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
  if (thread_.joinable()) thread_.join();
}

// Makes `maker` fork; the child speaks on a socket of its own.
absl::StatusOr<LookupProcess::Lookup> LookupProcess::MakeOther(int maker, absl::Time until) {
  ASSIGN_OR_RETURN(auto sockets, MakeSeqpacketPair());
  RETURN_IF_ERROR(SendPacket(maker, kLookupAnother, {sockets.second.get()}));
  sockets.second.Reset();
  if (!Wait(sockets.first.get(), -1, until)) return absl::CancelledError("the daemon ends");
  return Greeted(std::move(sockets.first));
}

absl::Status LookupProcess::MakeServing(absl::Time until) {
  ASSIGN_OR_RETURN(Lookup made, MakeOther(reserve_.control.get(), until));
  restart_delay_.Started(absl::Now());
  absl::MutexLock lock(&mutex_);
  serving_ = std::move(made);
  return absl::OkStatus();
}

absl::Status LookupProcess::MakeReserve(absl::Time until) {
  UniqueFd maker;
  {
    absl::MutexLock lock(&mutex_);
    // One of its own: a question that is not answered has the other closed.
    maker.Reset(::fcntl(serving_.control.get(), F_DUPFD_CLOEXEC, 0));
  }
  if (!maker.valid()) return absl::UnavailableError("the other one has ended");
  ASSIGN_OR_RETURN(reserve_, MakeOther(maker.get(), until));
  restart_delay_.Started(absl::Now());
  return absl::OkStatus();
}

// What comes later would be taken for the answer to another question.
absl::Status LookupProcess::LetGo(const absl::Status& why) {
  serving_.control.Reset();
  (void)SignalPidFd(serving_.pidfd.get(), SIGKILL);  // fails for one that was reaped
  return Gone(absl::StrCat("ended (", why.message(), "); another one takes its place, try again"));
}

absl::StatusOr<UniqueFd> LookupProcess::GiveEveryPort(int names, int others) {
  absl::MutexLock lock(&mutex_);
  if (is_lost_) return Gone("has ended, and so has the one in reserve: restart gloveboxd");
  if (!serving_.control.valid()) return Gone("has ended; another one is started, try again");
  const absl::Status asked = SendPacket(serving_.control.get(), kLookupGive, {names, others});
  if (!asked.ok()) return LetGo(asked);
  absl::StatusOr<Packet> answer = Hear(serving_.control.get());
  // Descriptors that ran out in this process say nothing about it.
  if (absl::IsResourceExhausted(answer.status())) return answer.status();
  if (!answer.ok()) return LetGo(answer.status());
  if (answer->bytes != kLookupDone) return Refused(*answer);
  if (answer->fds.empty()) return absl::InternalError(absl::StrCat(kName, " gives nothing"));
  return std::move(answer->fds[0]);
}

// Until `fd` or `other_fd` (-1: none) can be read from, or `until`. False: this is to end.
bool LookupProcess::Wait(int fd, int other_fd, absl::Time until) {
  while (!ending_.load()) {
    const absl::Duration left = std::min(until - absl::Now(), absl::Hours(1));
    if (left <= absl::ZeroDuration()) return true;
    pollfd waiting[] = {{wake_.get(), POLLIN, 0}, {fd, POLLIN, 0}, {other_fd, POLLIN, 0}};
    const int timeout_ms = static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
    if (::poll(waiting, 3, timeout_ms) <= 0) continue;
    if (waiting[1].revents != 0 || waiting[2].revents != 0) return !ending_.load();
  }
  return false;
}

// Whether it lives; else it was reaped, and `*how` says how it ended if that was now.
bool LookupProcess::Lives(Lookup* one, std::string* how) {
  if (!one->pidfd.valid()) return false;
  if (!WaitPidFd(one->pidfd.get(), 0).ok()) return true;
  one->control.Reset();
  *how = EndChild(&one->pidfd);
  return false;
}

bool LookupProcess::ServingLives(std::string* how, int* pidfd) {
  absl::MutexLock lock(&mutex_);
  const bool lives = Lives(&serving_, how);
  *pidfd = serving_.pidfd.get();
  return lives;
}

// One look after both, and what follows from it. False: there is nothing left to look after.
bool LookupProcess::Mend(const Log& log) {
  std::string how;
  int pidfd = -1;
  const bool serves = ServingLives(&how, &pidfd);
  if (!how.empty()) log.Write(LogLevel::kError, "glovebox-lookup has ended", {{"how", how}});
  how.clear();
  const bool waits = Lives(&reserve_, &how);
  if (!how.empty()) log.Write(LogLevel::kError, "lookup-reserve has ended", {{"how", how}});
  if (serves && waits) return Wait(pidfd, reserve_.pidfd.get(), absl::InfiniteFuture());
  if (!serves && !waits) {
    log.Write(LogLevel::kError, "no sandbox is given a way out until gloveboxd is restarted");
    absl::MutexLock lock(&mutex_);
    is_lost_ = true;
    return false;
  }
  const absl::Time now = absl::Now();
  if (!Wait(-1, -1, now + restart_delay_.Next(now))) return false;
  // However long: its maker is the last one, and whoever asks meanwhile does not wait.
  const absl::Status made =
      serves ? MakeReserve(absl::InfiniteFuture()) : MakeServing(absl::InfiniteFuture());
  const char* const which = serves ? "lookup-reserve" : "glovebox-lookup";
  if (made.ok()) {
    log.Write(LogLevel::kInfo, absl::StrCat("there is another ", which));
  } else if (!ending_.load()) {
    log.Write(LogLevel::kError, absl::StrCat("there is no other ", which),
              {{"error", std::string(made.message())}});
  }
  return true;
}

void LookupProcess::Run(const Log& log) {
  while (!ending_.load() && Mend(log)) {
  }
}

}  // namespace glovebox

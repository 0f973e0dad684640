#include "daemon/egress_gate.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "daemon/name_servers.h"
#include "egress/egress_policy_wire.h"
#include "linux/memfd.h"
#include "policy/egress_rules.h"

namespace glovebox {
namespace {

bool IsOption(int fd, int name, int wanted) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 && value == wanted;
}

// The sockets come out of a sandbox.
bool IsWhatItsRoleSays(const EgressListener& listener) {
  const int fd = listener.socket.get();
  if (listener.role == EgressRole::kClientDiag) {
    return IsOption(fd, SO_DOMAIN, AF_NETLINK) && IsOption(fd, SO_PROTOCOL, NETLINK_SOCK_DIAG);
  }
  if (!IsOption(fd, SO_DOMAIN, AF_INET) && !IsOption(fd, SO_DOMAIN, AF_INET6)) return false;
  switch (listener.role) {
    case EgressRole::kTransparent:
    case EgressRole::kHttpProxy:
    case EgressRole::kSocks5:
    case EgressRole::kDnsTcp:
      return IsOption(fd, SO_TYPE, SOCK_STREAM) && IsOption(fd, SO_PROTOCOL, IPPROTO_TCP) &&
             IsOption(fd, SO_ACCEPTCONN, 1);
    case EgressRole::kDnsUdp:
      return IsOption(fd, SO_TYPE, SOCK_DGRAM) && IsOption(fd, SO_PROTOCOL, IPPROTO_UDP);
    case EgressRole::kClientDiag:
      break;
  }
  return false;
}

bool Names(const EgressPolicy& policy, const std::string& secret) {
  return std::any_of(policy.rules.begin(), policy.rules.end(), [&](const EgressRule& rule) {
    return rule.credential.has_value() && rule.credential->secret_name == secret;
  });
}

absl::Status CheckListeners(const std::vector<EgressListener>& listeners) {
  if (std::all_of(listeners.begin(), listeners.end(), IsWhatItsRoleSays)) return absl::OkStatus();
  return absl::InvalidArgumentError("a socket that is not what its role says");
}

// The proxy has it mapped, and would end at the end of a shorter one.
absl::Status CheckBytes(const UniqueFd& bytes) {
  struct stat status {};
  if (::fstat(bytes.get(), &status) != 0) return ErrnoError(errno, "fstat of the count of bytes");
  if (S_ISREG(status.st_mode) && status.st_size >= static_cast<off_t>(sizeof(EgressBytes))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("what is no count of bytes");
}

absl::Status TooManySockets() {
  return absl::InvalidArgumentError("more sockets than a sandbox can have");
}

absl::Status Disagrees(const EgressReport& answer) {
  return absl::InternalError(absl::StrCat("glovebox-egress does not take it: ", answer.text));
}

}  // namespace

EgressGate::EgressGate(EgressParts parts, std::unique_ptr<CommandWords> words, const Log* log,
                       FindSecrets secrets, UniqueFd wake)
    : parts_(std::move(parts)),
      log_(log),
      secrets_(std::move(secrets)),
      words_(std::move(words)),
      wake_(std::move(wake)) {}

absl::StatusOr<std::unique_ptr<EgressGate>> EgressGate::Start(EgressParts parts, const Log* log,
                                                              FindSecrets secrets) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoError(errno, "eventfd");
  ASSIGN_OR_RETURN(auto words, CommandWords::Make(parts.setup.sandboxes_max));
  parts.commands.Reset(::fcntl(words->fd(), F_DUPFD_CLOEXEC, 0));
  if (!parts.commands.valid()) return ErrnoError(errno, "F_DUPFD_CLOEXEC");
  std::unique_ptr<EgressGate> gate(
      new EgressGate(std::move(parts), std::move(words), log, std::move(secrets), std::move(wake)));
  absl::Notification started;
  absl::Status first;
  gate->thread_ = std::thread([&, raw = gate.get()] { raw->Run(&started, &first); });
  started.WaitForNotification();
  RETURN_IF_ERROR(first);
  return gate;
}

EgressGate::~EgressGate() {
  ending_.store(true);
  Wake();
  thread_.join();
}

void EgressGate::Wake() {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
}

void EgressGate::Do(absl::FunctionRef<void()> function) {
  Work work{function, {}};
  {
    absl::MutexLock lock(&mutex_);
    work_.push_back(&work);
  }
  Wake();
  work.done.WaitForNotification();
}

// The policy with its secrets, as they are when the proxy is told: a sealed memfd. SecretChanged
// follows a later change of them.
absl::StatusOr<UniqueFd> EgressGate::FileOf(const EgressPolicy& policy,
                                            const std::string& owner) const {
  const EgressSecrets secrets = secrets_ ? secrets_(owner, policy) : EgressSecrets();
  std::string bytes = EncodeEgressPolicy(policy, secrets);
  auto file = MakeSealedMemfd("egress-policy", bytes, false);
  Wipe(&bytes);
  return file;
}

absl::StatusOr<uint64_t> EgressGate::Add(const EgressPolicy& policy, const std::string& owner,
                                         std::vector<EgressListener> listeners, UniqueFd bytes,
                                         TakeRecord take) {
  // Here, where a refusal has its reason; the proxy compiles the same again.
  RETURN_IF_ERROR(EgressRules::Compile(policy).status());
  if (listeners.size() > kEgressSocketsMax) return TooManySockets();
  RETURN_IF_ERROR(CheckListeners(listeners));
  if (!bytes.valid()) {
    ASSIGN_OR_RETURN(bytes, MakeFixedSizeMemfd("egress-bytes", sizeof(EgressBytes)));
  }
  RETURN_IF_ERROR(CheckBytes(bytes));
  absl::StatusOr<uint64_t> added;
  Do([&] {
    if (const absl::Status room = CheckRoom(1, listeners.size()); !room.ok()) {
      added = room;
      return;
    }
    const uint64_t number = next_sandbox_++;
    Sandbox& sandbox = sandboxes_[number];
    sandbox = {policy, owner, std::move(listeners), std::move(bytes), std::move(take)};
    (void)words_->Take(number);  // whether or not there is a proxy to tell
    const auto answer = AskToAdd(number, sandbox);
    added = number;  // without a proxy: the next one gets it
    if (answer.ok() ? !answer->failed : process_ == nullptr) return;
    sandboxes_.erase(number);
    words_->Leave(number);
    added = answer.ok() ? Disagrees(*answer) : answer.status();
  });
  return added;
}

absl::Status EgressGate::Listen(uint64_t sandbox, std::vector<EgressListener> listeners) {
  RETURN_IF_ERROR(CheckListeners(listeners));
  absl::Status done;
  Do([&] {
    const auto found = sandboxes_.find(sandbox);
    if (found == sandboxes_.end()) {
      done = absl::NotFoundError("the sandbox has no way out");
      return;
    }
    std::vector<EgressListener>& held = found->second.listeners;
    done = held.size() + listeners.size() > kEgressSocketsMax ? TooManySockets()
                                                              : CheckRoom(0, listeners.size());
    if (!done.ok()) return;
    EgressOrder order;
    order.kind = EgressOrderKind::kAddSockets;
    order.sandbox = sandbox;
    const auto answer = AskToListen(order, listeners, {}, absl::InfiniteFuture());
    if (answer.ok() && answer->failed) {
      done = Disagrees(*answer);
      return;
    }
    std::move(listeners.begin(), listeners.end(), std::back_inserter(held));
  });
  return done;
}

// The proxy has descriptors for so many, and ends when it is given more.
absl::Status EgressGate::CheckRoom(size_t sandboxes, size_t sockets) const {
  const uint64_t most = parts_.setup.sandboxes_max;
  for (const auto& [number, sandbox] : sandboxes_) sockets += sandbox.listeners.size();
  if (sandboxes_.size() + sandboxes <= most && sockets <= most * kEgressSocketsOnAverage) {
    return absl::OkStatus();
  }
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("as many sandboxes or ports have a way out on this host as may: ",
                   sandboxes_.size(), " sandboxes, ", sockets, " sockets"),
      {"HOST_FULL", {{"limit", absl::StrCat(most)}}});
}

// After an error the one before holds.
absl::StatusOr<uint32_t> EgressGate::AskToReplace(uint64_t number, const EgressPolicy& policy,
                                                  const std::string& owner) {
  ASSIGN_OR_RETURN(const UniqueFd file, FileOf(policy, owner));
  EgressOrder order;
  order.kind = EgressOrderKind::kReplacePolicy;
  order.sandbox = number;
  const auto answer = Ask(order, {file.get()});
  if (!answer.ok()) return 0;  // no proxy, no connection: the next one gets the new policy
  if (answer->failed) return Disagrees(*answer);
  return answer->connections_cut;
}

absl::StatusOr<uint32_t> EgressGate::Replace(uint64_t sandbox, const EgressPolicy& policy) {
  RETURN_IF_ERROR(EgressRules::Compile(policy).status());
  absl::StatusOr<uint32_t> cut = 0;
  Do([&] {
    const auto found = sandboxes_.find(sandbox);
    if (found == sandboxes_.end()) {
      cut = absl::NotFoundError("the sandbox has no way out");
      return;
    }
    cut = AskToReplace(sandbox, policy, found->second.owner);
    if (cut.ok()) found->second.policy = policy;
  });
  return cut;
}

void EgressGate::SecretChanged(const std::string& owner, const std::string& name) {
  Do([&] {
    for (const auto& [number, sandbox] : sandboxes_) {
      const bool has_it = !sandbox.refused && sandbox.owner == owner && Names(sandbox.policy, name);
      if (!has_it) continue;
      const auto done = AskToReplace(number, sandbox.policy, owner);
      // It must not go on with what the secret was: a successor gets what is true by then.
      if (!done.ok() && process_ != nullptr) Lose(done.status());
    }
  });
}

void EgressGate::SetNameServers(const std::vector<IpAddress>& servers) {
  Do([&] {
    PutNameServers(servers, &parts_.setup);
    EgressOrder order;
    order.kind = EgressOrderKind::kSetNameServers;
    order.name_servers = parts_.setup.name_servers;
    std::copy_n(parts_.setup.name_server, order.name_servers, order.name_server);
    const auto answer = Ask(order, {});  // without a proxy the next one begins with them
    if (answer.ok() && answer->failed) Lose(Disagrees(*answer));
  });
}

void EgressGate::NoteCommands(uint64_t sandbox, EgressCommandWord word) {
  words_->Set(sandbox, word);
}

void EgressGate::Settle(uint64_t sandbox) {
  Do([&] {
    EgressOrder order;
    order.kind = EgressOrderKind::kSettle;
    order.sandbox = sandbox;
    (void)Ask(order, {});  // without a proxy there is nothing that it could still say
  });
}

void EgressGate::Remove(uint64_t sandbox) {
  Do([&] {
    if (sandboxes_.erase(sandbox) == 0) return;
    EgressOrder order;
    order.kind = EgressOrderKind::kRemoveSandbox;
    order.sandbox = sandbox;
    // Fails without a proxy, or when it did not take the sandbox: it is gone in either case.
    (void)Ask(order, {});
    words_->Leave(sandbox);  // no proxy reads it for this sandbox any more
  });
}

// `started` and `first` are gone once it was notified.
void EgressGate::Run(absl::Notification* started, absl::Status* first) {
  *first = StartProcess();
  const bool runs = first->ok();
  started->Notify();
  while (runs && !ending_.load()) {
    if (process_ == nullptr) {
      StartAgain();
    } else {
      Serve();
    }
  }
  process_.reset();  // by the thread that started it
}

absl::Status EgressGate::StartProcess() {
  ASSIGN_OR_RETURN(process_, EgressProcess::Start(
                                 parts_, [this](const EgressReport& event) { TakeEvent(event); }));
  restart_delay_.Started(absl::Now());
  return absl::OkStatus();
}

// One attempt, after its time. Work goes on meanwhile.
void EgressGate::StartAgain() {
  const absl::Time now = absl::Now();
  const absl::Time until = now + restart_delay_.Next(now);
  for (absl::Duration left = until - absl::Now(); left > absl::ZeroDuration();
       left = until - absl::Now()) {
    (void)WaitFor(static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ending_.load()) return;
  }
  const absl::Status started = StartProcess();
  if (!started.ok()) {
    log_->Write(LogLevel::kError, "sandboxes have no way out",
                {{"error", std::string(started.message())}});
    return;
  }
  AddAll();
  if (process_ == nullptr) return;
  log_->Write(
      LogLevel::kInfo, "another glovebox-egress serves sandboxes",
      {{"pid", absl::StrCat(process_->pid())}, {"sandboxes", absl::StrCat(sandboxes_.size())}});
}

// All within the time that one order has: callers wait.
void EgressGate::AddAll() {
  const absl::Time until = absl::Now() + parts_.answer_within;
  for (auto& [number, sandbox] : sandboxes_) {
    if (ending_.load()) return;
    const auto answer = AskToAdd(number, sandbox, until);
    if (!answer.ok()) {
      if (process_ != nullptr) Lose(answer.status());  // it could not be told: once more
      return;
    }
    sandbox.refused = answer->failed;
    if (sandbox.refused) {
      log_->Write(LogLevel::kError, "a sandbox has no way out any more", {{"why", answer->text}});
    }
  }
}

// Until the proxy has to be replaced, or the gate ends.
void EgressGate::Serve() {
  while (process_ != nullptr && !ending_.load()) {
    if (!WaitFor(-1)) continue;
    const absl::Status taken = process_->TakeEvent();
    if (!taken.ok()) Lose(taken);
  }
}

// Does what work there is. True: the proxy, which is the one from before, said something.
bool EgressGate::WaitFor(int timeout_ms) {
  const int control = process_ != nullptr ? process_->control_fd() : -1;
  pollfd waiting[] = {{wake_.get(), POLLIN, 0}, {control, POLLIN, 0}};
  if (::poll(waiting, 2, timeout_ms) <= 0) return false;
  if (waiting[0].revents != 0) {
    uint64_t times = 0;
    (void)!::read(wake_.get(), &times, sizeof times);  // it was readable
    RunWork();
    return false;  // it may have taken what the proxy said, or have lost it
  }
  return waiting[1].revents != 0;
}

void EgressGate::RunWork() {
  std::deque<Work*> taken;
  {
    absl::MutexLock lock(&mutex_);
    taken.swap(work_);
  }
  for (Work* const work : taken) {
    work->function();
    work->done.Notify();  // *work is gone
  }
}

void EgressGate::TakeEvent(const EgressReport& event) {
  // The answer to its removal overtakes events: they find nobody.
  if (const auto found = sandboxes_.find(event.sandbox); found != sandboxes_.end()) {
    found->second.take(event.record);
  }
}

absl::StatusOr<EgressReport> EgressGate::Ask(const EgressOrder& order, const std::vector<int>& fds,
                                             absl::Time until) {
  if (process_ == nullptr) return absl::UnavailableError("there is no proxy now");
  absl::StatusOr<EgressReport> answer = process_->Ask(order, fds, until);
  if (!answer.ok()) Lose(answer.status());
  return answer;
}

absl::StatusOr<EgressReport> EgressGate::AskToListen(EgressOrder order,
                                                     const std::vector<EgressListener>& listeners,
                                                     std::vector<int> fds, absl::Time until) {
  for (const EgressListener& listener : listeners) {
    order.role[order.sockets++] = listener.role;
    fds.push_back(listener.socket.get());
  }
  return Ask(order, fds, until);
}

absl::StatusOr<EgressReport> EgressGate::AskToAdd(uint64_t number, const Sandbox& sandbox,
                                                  absl::Time until) {
  ASSIGN_OR_RETURN(const UniqueFd file, FileOf(sandbox.policy, sandbox.owner));
  EgressOrder order;
  order.kind = EgressOrderKind::kAddSandbox;
  order.sandbox = number;
  order.word = words_->Take(number);
  return AskToListen(order, sandbox.listeners, {file.get(), sandbox.bytes.get()}, until);
}

void EgressGate::Lose(const absl::Status& why) {
  log_->Write(LogLevel::kError, "glovebox-egress is replaced; connections of sandboxes are reset",
              {{"why", std::string(why.message())}, {"how", process_->End()}});
  process_.reset();
}

}  // namespace glovebox

#include "tools/glovebox/signal_relay.h"

#include <csignal>

#include "tools/glovebox/calls.h"
#include "tools/glovebox/reconnect.h"

namespace glovebox {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSecondSignalWithin(2);
constexpr absl::Duration kCallTime = absl::Seconds(3);
constexpr size_t kWaitingMax = 64;

}  // namespace

SignalRelay::SignalRelay(Connection& connection, Target target, RawTerminal* raw,
                         std::function<void()> give_up)
    : connection_(connection),
      target_(std::move(target)),
      raw_(raw),
      give_up_(std::move(give_up)) {}

void SignalRelay::Handle(int signal) {
  switch (signal) {
    case SIGTSTP:
      if (raw_ != nullptr) raw_->Restore();
      return;  // whoever called stops the process now
    case SIGCONT:
      if (raw_ != nullptr) raw_->Again();
      [[fallthrough]];  // the window may have another size
    case SIGWINCH:
      return Resize();
    case SIGUSR1:
    case SIGUSR2:
      return Send(signal, v1::SIGNAL_SCOPE_LEADER);
    default:
      return target_.forward ? Escalate(signal) : GiveUp(signal);
  }
}

void SignalRelay::Escalate(int signal) {
  const SteadyClock::time_point now = SteadyClock::now();
  const bool again = count_ > 0 && now - last_ < kSecondSignalWithin;
  count_ = again ? count_ + 1 : 1;
  last_ = now;
  if (count_ == 1) {
    Send(signal, v1::SIGNAL_SCOPE_GROUP);
  } else if (count_ == 2) {
    Send(SIGKILL, v1::SIGNAL_SCOPE_TREE);
  } else {
    GiveUp(signal);
  }
}

void SignalRelay::GiveUp(int signal) {
  given_up_ = signal;
  give_up_();
}

void SignalRelay::Send(int signal, v1::SignalScope scope) {
  v1::SignalExecRequest request;
  request.set_sandbox_id(target_.sandbox_id);
  request.set_exec_id(target_.exec_id);
  request.set_signal(signal);
  request.set_scope(scope);
  v1::SignalExecResponse response;
  CallControl control(kCallTime);
  const absl::Status status = Call(connection_, request, &response, &control);
  // NOT_FOUND: the command is not yet there. One that has ended gets no signal; the stream has the
  // rest of that story.
  if (!IsConnectionTrouble(status) && !absl::IsNotFound(status)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (waiting_.size() < kWaitingMax) waiting_.emplace_back(signal, scope);
}

void SignalRelay::Attached() {
  std::vector<std::pair<int, v1::SignalScope>> due;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    due.swap(waiting_);
  }
  for (const auto& [signal, scope] : due) Send(signal, scope);
  Resize();
}

void SignalRelay::Resize() {
  if (!target_.terminal) return;
  v1::ResizeTerminalRequest request;
  request.set_sandbox_id(target_.sandbox_id);
  request.set_exec_id(target_.exec_id);
  const WindowSize size = CurrentWindowSize();
  request.mutable_terminal()->set_rows(size.rows);
  request.mutable_terminal()->set_columns(size.columns);
  v1::ResizeTerminalResponse response;
  CallControl control(kCallTime);
  // A command that has ended needs no size; without a connection it is sent when that is back.
  (void)Call(connection_, request, &response, &control);
}

}  // namespace glovebox

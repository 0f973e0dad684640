#include "tools/glovebox/attached_command.h"

#include <grpcpp/client_context.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/exec_options.h"
#include "tools/glovebox/exec_stream.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/frame_output.h"
#include "tools/glovebox/stdin_pump.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSecondSignalWithin(2);
constexpr std::chrono::seconds kCallTime(3);

// What our signals do to one command. Used by the thread of the signals alone, but for given_up().
class SignalRelay {
 public:
  SignalRelay(Connection& connection, const AttachedCommand& command, ExecStream& stream,
              RawTerminal* raw)
      : connection_(connection), command_(command), stream_(stream), raw_(raw) {}

  void Handle(int signal) {
    if (signal == SIGWINCH || signal == SIGCONT) {
      if (signal == SIGCONT && raw_ != nullptr) raw_->Again();
      if (command_.spec.has_terminal()) Resize();
      return;
    }
    const SteadyClock::time_point now = SteadyClock::now();
    const bool again = count_ > 0 && now - last_ < kSecondSignalWithin;
    count_ = again ? count_ + 1 : 1;
    last_ = now;
    if (count_ == 1) {
      Send(signal, v1::SIGNAL_SCOPE_GROUP);
    } else if (count_ == 2) {
      Send(SIGKILL, v1::SIGNAL_SCOPE_TREE);
    } else {
      given_up_ = signal;
      stream_.Cancel();
    }
  }

  void Send(int signal, v1::SignalScope scope) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTime);
    v1::SignalExecRequest request;
    request.set_sandbox_id(command_.sandbox_id);
    request.set_exec_id(command_.exec_id);
    request.set_signal(signal);
    request.set_scope(scope);
    v1::SignalExecResponse response;
    // A command that has ended, or is not yet there, gets no signal; the stream has the rest of the
    // story.
    (void)connection_.execs().SignalExec(&context, request, &response);
  }

  // The signal that was one too many, 0 before.
  int given_up() const { return given_up_; }

 private:
  void Resize() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTime);
    v1::ResizeTerminalRequest request;
    request.set_sandbox_id(command_.sandbox_id);
    request.set_exec_id(command_.exec_id);
    const WindowSize size = CurrentWindowSize();
    request.mutable_terminal()->set_rows(size.rows);
    request.mutable_terminal()->set_columns(size.columns);
    v1::ResizeTerminalResponse response;
    (void)connection_.execs().ResizeTerminal(&context, request, &response);  // as in Send
  }

  Connection& connection_;
  const AttachedCommand& command_;
  ExecStream& stream_;
  RawTerminal* const raw_;
  int count_ = 0;
  SteadyClock::time_point last_;
  std::atomic<int> given_up_{0};
};

v1::RunExecRequest RequestOf(const AttachedCommand& command) {
  v1::RunExecRequest request;
  request.set_sandbox_id(command.sandbox_id);
  request.set_exec_id(command.exec_id);
  *request.mutable_spec() = command.spec;
  // We read all of it: the command waits for us rather than losing output.
  request.mutable_spec()->set_output_policy(v1::OUTPUT_POLICY_BACK_PRESSURE);
  return request;
}

// Our reader went away, or our disk is full: the command would write for nobody, so it ends as it
// would in a pipeline.
int EndForLackOfReader(SignalRelay& relay, const absl::Status& status) {
  relay.Send(SIGPIPE, v1::SIGNAL_SCOPE_GROUP);
  if (IsBrokenPipe(status)) return kExitSignalBase + SIGPIPE;
  return Fail("", status, kExitGlovebox);
}

int ReportEnd(const v1::End& end, const AttachedCommand& command) {
  if (const auto reason = ReasonOf(end, WallLimit(command.spec)); reason.has_value()) {
    Note(*reason);
  }
  if (end.output_cut()) Note("a descendant wrote on after the command's end; that output is lost");
  return ExitCodeOf(end);
}

}  // namespace

Interrupts::Interrupts()
    : thread_([this](int signal) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (handler_) handler_(signal);
      }) {}

void Interrupts::SetHandler(std::function<void(int)> handler) {
  const std::lock_guard<std::mutex> lock(mutex_);
  handler_ = std::move(handler);
}

int RunAttached(Connection& connection, Interrupts& interrupts, const AttachedCommand& command) {
  std::unique_ptr<RawTerminal> raw;
  if (command.interactive && command.spec.has_terminal()) raw = std::make_unique<RawTerminal>();
  ExecStream stream(connection, RequestOf(command));
  SignalRelay relay(connection, command, stream, raw.get());
  interrupts.SetHandler([&relay](int signal) { relay.Handle(signal); });

  FrameOutput output;
  output.json = command.json;
  std::unique_ptr<StdinPump> input;
  v1::Frame frame;
  absl::Status status;
  bool ended = false;
  absl::Status written;
  while (!ended && written.ok()) {
    const absl::StatusOr<bool> next = stream.Next(&frame);
    if (!next.ok() || !*next) {
      status = next.ok() ? absl::UnavailableError("the stream ended without the command's end")
                         : next.status();
      break;
    }
    if (command.interactive && input == nullptr) {
      input = std::make_unique<StdinPump>(connection, command.sandbox_id, command.exec_id,
                                          STDIN_FILENO);
    }
    written = output.Write(frame);
    ended = frame.has_end();
  }
  interrupts.SetHandler(nullptr);
  input.reset();
  raw.reset();
  if (!written.ok()) return EndForLackOfReader(relay, written);
  if (ended) return ReportEnd(frame.end(), command);
  if (relay.given_up() != 0) return kExitSignalBase + relay.given_up();
  return Fail("", status, kExitGlovebox);
}

}  // namespace glovebox

#include "tools/glovebox/attached_command.h"

#include <unistd.h>

#include <csignal>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "glovebox/v1/change.pb.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/exec_options.h"
#include "tools/glovebox/exec_stream.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/frame_output.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/signal_relay.h"
#include "tools/glovebox/stdin_pump.h"
#include "tools/glovebox/terminal.h"

namespace glovebox {
namespace {

constexpr int kChangesPage = 1000;

std::unique_ptr<ExecStream> OpenStream(Connection& connection, const AttachedCommand& command) {
  if (!command.start) {
    v1::AttachExecRequest request;
    request.set_sandbox_id(command.sandbox_id);
    request.set_exec_id(command.exec_id);
    request.set_from_sequence(command.from_sequence);
    return std::make_unique<ExecStream>(connection, std::move(request), command.reconnect);
  }
  v1::RunExecRequest request;
  request.set_sandbox_id(command.sandbox_id);
  request.set_exec_id(command.exec_id);
  *request.mutable_spec() = command.spec;
  HoldWhileAway(command.reconnect, request.mutable_spec());
  return std::make_unique<ExecStream>(connection, std::move(request), command.reconnect);
}

// One command while it is attached to.
class Attachment {
 public:
  Attachment(Connection& connection, const AttachedCommand& command)
      : connection_(connection),
        command_(command),
        raw_(command.interactive && command.spec.has_terminal() ? std::make_unique<RawTerminal>()
                                                                : nullptr),
        stream_(OpenStream(connection, command)),
        relay_(connection,
               {command.sandbox_id, command.exec_id, command.spec.has_terminal(),
                command.forward_signals},
               raw_.get(), [this] { stream_->Cancel(); }) {
    output_.json = command.json;
    stream_->OnAttached([this] { OnAttached(); });
  }

  SignalRelay& relay() { return relay_; }

  // Shows frames until the end frame or an error of the stream.
  absl::Status Follow() {
    while (!end_.has_value() && written_.ok()) {
      const absl::StatusOr<bool> next = stream_->Next(&frame_);
      if (!next.ok()) return next.status();
      if (!*next) return absl::UnavailableError("the stream ended without the command's end");
      written_ = output_.Write(frame_);
      if (frame_.has_end()) end_ = frame_.end();
    }
    return absl::OkStatus();
  }

  // Gives input and terminal back; then tells what became of it.
  int Report(const absl::Status& status) {
    input_.reset();
    raw_.reset();
    if (!written_.ok()) return EndForLackOfReader();
    if (end_.has_value()) return ReportEnd();
    if (relay_.given_up() == 0) return Fail("", status, kExitGlovebox);
    if (command_.forward_signals) {
      Note(absl::StrCat("not waiting for the command any longer; it may run on (glovebox attach ",
                        command_.sandbox_id, " ", command_.exec_id, ")"));
    }
    return kExitSignalBase + relay_.given_up();
  }

 private:
  void OnAttached() {
    relay_.Attached();
    if (!command_.interactive) return;
    if (input_ == nullptr) {
      input_ = std::make_unique<StdinPump>(connection_, command_.sandbox_id, command_.exec_id,
                                           STDIN_FILENO, command_.stdin_offset);
    } else {
      input_->Resend();
    }
  }

  // Our reader went away, or our disk is full: the command would write for nobody, so one that we
  // started ends as it would in a pipeline.
  int EndForLackOfReader() {
    if (command_.start) relay_.Send(SIGPIPE, v1::SIGNAL_SCOPE_GROUP);
    if (IsBrokenPipe(written_)) return kExitSignalBase + SIGPIPE;
    return Fail("", written_, kExitGlovebox);
  }

  int ReportEnd() const {
    if (const auto reason = ReasonOf(*end_, WallLimit(command_.spec)); reason.has_value()) {
      Note(*reason);
    }
    if (end_->output_cut()) {
      Note("a descendant wrote on after the command's end; that output is lost");
    }
    if (command_.spec.track_changes() && !command_.json) NoteChanges();
    return ExitCodeOf(*end_);
  }

  void NoteChanges() const {
    if (!end_->has_change_range()) {
      return Note("which files it changed is not known: they could not be looked at");
    }
    const v1::ChangeRange& range = end_->change_range();
    v1::ListChangesRequest request;
    request.set_sandbox_id(command_.sandbox_id);
    request.set_cursor(range.from_cursor());
    request.set_page_size(kChangesPage);
    do {
      v1::ListChangesResponse response;
      const absl::Status listed = Call(connection_, request, &response);
      if (!listed.ok()) return Note(absl::StrCat("its changes: ", listed.message()));
      if (response.fresh_instance()) Note("too much has changed: this is all that differs");
      for (const v1::Change& change : response.changes()) {
        Note(absl::StrCat(std::string(1, ChangeLetter(change.kind())), "\t",
                          EscapeForPeople(change.path())));
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    if (range.shared()) Note("other commands ran meanwhile; some of it may be theirs");
  }

  Connection& connection_;
  const AttachedCommand& command_;
  std::unique_ptr<RawTerminal> raw_;
  const std::unique_ptr<ExecStream> stream_;
  SignalRelay relay_;
  FrameOutput output_;
  std::unique_ptr<StdinPump> input_;
  v1::Frame frame_;
  std::optional<v1::End> end_;
  absl::Status written_;
};

}  // namespace

Interrupts::Interrupts() : thread_([this](int signal) { OnSignal(signal); }) {}

void Interrupts::OnSignal(int signal) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (handler_) handler_(signal);
  }
  // Its default action, which watching it has taken away. The terminal is as it was before.
  if (signal == SIGTSTP) (void)::raise(SIGSTOP);  // stops all threads
}

void Interrupts::SetHandler(std::function<void(int)> handler) {
  const std::lock_guard<std::mutex> lock(mutex_);
  handler_ = std::move(handler);
}

int RunAttached(Connection& connection, Interrupts& interrupts, const AttachedCommand& command) {
  Attachment attachment(connection, command);
  interrupts.SetHandler([&attachment](int signal) { attachment.relay().Handle(signal); });
  const absl::Status status = attachment.Follow();
  interrupts.SetHandler(nullptr);
  return attachment.Report(status);
}

}  // namespace glovebox

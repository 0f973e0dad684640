#include "tools/glovebox/changes_watch.h"

#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "base/escape.h"
#include "base/status.h"
#include "tools/glovebox/calls.h"
#include "tools/glovebox/end_report.h"
#include "tools/glovebox/failure.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/lookup.h"
#include "tools/glovebox/print.h"

namespace glovebox {
namespace {

// Prints whole batches: what came of one that did not end holds no longer.
class BatchPrinter {
 public:
  BatchPrinter(const ChangesWatch& watch, bool json) : watch_(watch), json_(json) {}

  // CANCELLED: nobody reads what is printed.
  absl::Status Take(v1::WatchChangesResponse& message) {
    if (message.fresh_instance()) Drop(/*fresh=*/true);
    for (v1::Change& change : *message.mutable_changes()) changes_.push_back(std::move(change));
    if (message.cursor().empty()) return absl::OkStatus();
    exit_code_ = json_ ? PrintJson(message.cursor()) : PrintLines(message.cursor());
    Drop(/*fresh=*/false);
    any_ = true;
    return exit_code_ == 0 ? absl::OkStatus() : absl::CancelledError("stdout is closed");
  }

  void Drop(bool fresh) {
    changes_.clear();
    fresh_ = fresh;
  }
  int exit_code() const { return exit_code_; }

 private:
  int PrintJson(const std::string& cursor) const {
    Json changes = Json::array();
    for (const v1::Change& change : changes_) changes.push_back(ChangeJson(change));
    return Print(OneLine({{"changes", changes}, {"cursor", cursor}, {"fresh_instance", fresh_}}));
  }

  int PrintLines(const std::string& cursor) const {
    if (fresh_ && (any_ || watch_.request.has_cursor())) {
      std::cerr << "what changed since the cursor is not known any more: this is the whole list\n";
    }
    std::string text;
    for (const v1::Change& change : changes_) text += ChangeLine(change, watch_.nul);
    const int exit_code = text.empty() ? 0 : Print(text);
    if (watch_.cursors) std::cerr << "cursor: " << cursor << std::endl;
    return exit_code;
  }

  const ChangesWatch& watch_;
  const bool json_;
  std::vector<v1::Change> changes_;
  bool fresh_ = false;
  bool any_ = false;
  int exit_code_ = 0;
};

absl::Status Follow(Connection& connection, ChangesWatch* watch, BatchPrinter* printer) {
  ASSIGN_OR_RETURN(const ReconnectPolicy policy, ReconnectPolicyOf(watch->reconnect));
  CallControl control;
  Outage outage(policy);
  while (true) {
    printer->Drop(false);
    absl::Status status =
        CallStream(connection, watch->request, [&](v1::WatchChangesResponse& message) {
          (void)outage.Mended();
          absl::Status taken = printer->Take(message);
          if (!message.cursor().empty()) watch->request.set_cursor(message.cursor());
          return taken;
        });
    if (printer->exit_code() != 0) return absl::CancelledError("stdout is closed");
    if (!IsConnectionTrouble(status)) return status;
    ASSIGN_OR_RETURN(const absl::Duration pause, outage.Failed(status));
    (void)WaitToTryAgain(connection, control, pause);
  }
}

}  // namespace

std::string ChangeLine(const v1::Change& change, bool nul) {
  std::string line;
  line += ChangeLetter(change.kind());
  line += '\t';
  if (!change.old_path().empty()) {
    line += nul ? change.old_path() : EscapeForPeople(change.old_path());
    line += nul ? '\0' : '\t';
  }
  line += nul ? change.path() : EscapeForPeople(change.path());
  line += nul ? '\0' : '\n';
  return line;
}

int WatchChanges(const Invocation& invocation, ChangesWatch watch) {
  BatchPrinter printer(watch, invocation.json);
  const auto run = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto connection, Connection::Open(invocation.socket));
    ASSIGN_OR_RETURN(*watch.request.mutable_sandbox_id(),
                     ResolveSandbox(*connection, watch.sandbox));
    return Follow(*connection, &watch, &printer);
  };
  const absl::Status status = run();
  if (printer.exit_code() != 0) return printer.exit_code();
  return status.ok() ? 0 : Fail("changes", status, kExitFailure);
}

}  // namespace glovebox

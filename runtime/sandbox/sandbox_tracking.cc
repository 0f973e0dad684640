// What single commands changed: the sandbox's workdir is looked at before the start and after the
// end of an exec that asks for it. Another command in between makes the range shared.
//
// The end of such an exec is told only after its look, on a queue for these looks alone: a payload
// makes them long, and ends and clean-up do not wait for that. Ends that wait while the sandbox is
// looked at share the next look. So wait those of a sandbox with a way out, for the records of what
// was refused to them. Init holds them until they are told; a daemon that dies before
// leaves them to the next one, which looks then.
#include <algorithm>
#include <utility>

#include "absl/strings/strip.h"
#include "base/status.h"
#include "changes/change_journal.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"

namespace glovebox {
namespace {

// Of a walk, relative to the sandbox's root.
std::string RootOf(absl::string_view workdir) {
  return std::string(absl::StripPrefix(workdir, "/"));
}

}  // namespace

// A cursor of the workdir as it is now.
absl::StatusOr<std::string> Sandbox::LookAtChanges() const {
  const std::string root = RootOf(workdir());
  ASSIGN_OR_RETURN(const SandboxFiles files, OpenFiles());
  ASSIGN_OR_RETURN(const std::shared_ptr<SandboxChanges> changes, Changes());
  ASSIGN_OR_RETURN(const std::shared_ptr<ChangeJournal> journal, changes->Of(root));
  ASSIGN_OR_RETURN(const ChangeJournal::Look look, journal->LookNow(files.View(root), files.disk));
  return EncodeCursor(changes->Subject(root), look.point);
}

bool Sandbox::HasSurvivors() const {
  return had_survivors_ || std::any_of(execs_.begin(), execs_.end(), [](const auto& entry) {
           if (!entry.second->spec().keep_survivors) return false;
           const ExecSnapshot now = entry.second->Snapshot();
           return now.result.has_value() && now.result->survivors > 0;
         });
}

absl::StatusOr<Sandbox::BeforeStart> Sandbox::LookBeforeStart(const std::string& exec_id) {
  BeforeStart before;
  {
    absl::MutexLock lock(&mutex_);
    if (execs_.contains(exec_id)) return before;  // a retry: it is looked at already
    RETURN_IF_ERROR(CheckAlive());
    before.next_exec_no = next_exec_no_;
    before.changes.shared = !by_number_.empty();
  }
  ASSIGN_OR_RETURN(before.changes.cursor, LookAtChanges());
  return before;
}

// Under the lock under which it is started: none can begin or end in between unseen.
ChangesStart Sandbox::BeginTracking(const BeforeStart& before) const {
  ChangesStart changes = before.changes;
  if (changes.cursor.empty()) return changes;
  changes.shared = changes.shared || !by_number_.empty() || next_exec_no_ != before.next_exec_no ||
                   HasSurvivors();
  return changes;
}

void Sandbox::NoteBesideTracked() const {
  for (const auto* execs : {&by_number_, &looked_after_}) {
    for (const auto& [number, exec] : *execs) {
      if (exec->spec().track_changes) exec->NoteBeside();
    }
  }
}

bool Sandbox::EndTracked(const std::shared_ptr<Exec>& exec, const InitFrame& end) {
  if (end.kind != FrameKind::kEnd) return false;
  // None while it is destroyed: then there is nothing to look at, either.
  const std::shared_ptr<Sandbox> self = weak_from_this().lock();
  if (self == nullptr) return false;
  TrackedEnd tracked;
  tracked.exec = exec;
  tracked.frame.kind = end.kind;
  tracked.frame.exec_no = end.exec_no;
  tracked.frame.body = end.body;
  absl::MutexLock lock(&mutex_);
  if (resources_ == nullptr) return false;  // it is deleted: no look would find anything
  if (exec->changes_start().cursor.empty() && resources_->way_out == nullptr) return false;
  looked_after_[exec->number()] = exec;
  awaiting_look_.push_back(std::move(tracked));
  LookAfterEndsLater();
  return true;
}

// One look at a time: those of one sandbox would wait for each other anyhow.
void Sandbox::LookAfterEndsLater() {
  if (looks_after_ends_ || awaiting_look_.empty()) return;
  looks_after_ends_ = true;
  deps_.looks_after_ends->Run([self = shared_from_this()] { self->LookAfterEnds(); },
                              blueprint_.owner);
}

void Sandbox::LookAfterEnds() {
  std::vector<TrackedEnd> ends;
  std::shared_ptr<SandboxWayOut> way_out;
  {
    absl::MutexLock lock(&mutex_);
    ends = std::exchange(awaiting_look_, {});
    if (resources_ != nullptr) way_out = resources_->way_out;
  }
  // What it was refused belongs to its end.
  if (way_out != nullptr) way_out->Settle();
  const auto is_tracked = [](const TrackedEnd& end) {
    return !end.exec->changes_start().cursor.empty();
  };
  // Without a look, e.g. of a sandbox that is deleted, there is no range.
  absl::StatusOr<std::string> cursor = absl::UnknownError("nobody asks for it");
  if (std::any_of(ends.begin(), ends.end(), is_tracked)) cursor = LookAtChanges();
  for (const TrackedEnd& end : ends) {
    if (cursor.ok() && is_tracked(end)) SetRange(*end.exec, *cursor);
    TellEnd(end.exec, end.frame);
    absl::MutexLock lock(&mutex_);
    looked_after_.erase(end.exec->number());
    TellCommands();
  }
  absl::MutexLock lock(&mutex_);
  looks_after_ends_ = false;
  LookAfterEndsLater();  // not at once: other sandboxes have their turn first
}

void Sandbox::SetRange(Exec& exec, const std::string& cursor) const {
  const auto changes = Changes();
  // The cursor of an adopted exec was in init's hands.
  if (!changes.ok() ||
      !DecodeCursor((*changes)->Subject(RootOf(workdir())), exec.changes_start().cursor).ok()) {
    return;
  }
  bool survivors = false;
  {
    absl::MutexLock lock(&mutex_);
    survivors = HasSurvivors();
  }
  if (survivors) exec.NoteBeside();
  exec.SetChangesEnd(cursor);
}

void Sandbox::TellEnd(const std::shared_ptr<Exec>& exec, const InitFrame& end) {
  const SandboxLimits& limits = blueprint_.limits;
  exec->OnFrame(end, {limits.memory_bytes, limits.pids_max, limits.disk_bytes, limits.disk_inodes});
  if (end.kind == FrameKind::kEnd || end.kind == FrameKind::kRefused) {
    RecordEndLater({exec, end.kind == FrameKind::kEnd});
  }
}

}  // namespace glovebox

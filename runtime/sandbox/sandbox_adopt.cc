// Taking over what an earlier daemon left.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "exec/exec_record.h"
#include "linux/process.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox.h"

namespace glovebox {
namespace {

// An init that runs answers within milliseconds; a loaded host may take long.
constexpr int kHeldTimeoutMs = 20'000;

// What the row of an exec says; nullopt when it cannot be read.
std::optional<ExecOutcome> RecordedOutcome(const ExecRow& row) {
  if (!row.end.has_value()) return std::nullopt;
  absl::StatusOr<ExecOutcome> outcome = DecodeExecOutcome(*row.end);
  if (!outcome.ok()) return std::nullopt;
  return *std::move(outcome);
}

std::string WhyStopped(const SandboxTraces& traces, const absl::Status& found) {
  if (traces.row.stop_reason.has_value()) return *traces.row.stop_reason;
  if (!traces.same_boot) return "the host was restarted";
  if (traces.unusable.ok() && absl::IsNotFound(found)) {
    return "its init process ended while no gloveboxd ran";
  }
  return absl::StrCat("a new gloveboxd could not take it over: ", found.message());
}

}  // namespace

std::shared_ptr<Sandbox> Sandbox::Adopt(const SandboxDeps& deps, const SandboxBlueprint& blueprint,
                                        const LoopDevices& devices, const SandboxTraces& traces) {
  const SandboxRow& row = traces.row;
  absl::Status found = traces.unusable;
  if (found.ok() && traces.same_boot && !row.stop_reason.has_value()) {
    LaunchedInit init;
    absl::StatusOr<std::unique_ptr<Resources>> resources =
        Resources::FindRunning(deps, blueprint, row, devices, &init);
    found = resources.status();
    if (found.ok()) {
      std::shared_ptr<Sandbox> sandbox(
          new Sandbox(deps, blueprint, *std::move(resources), std::move(init)));
      absl::StatusOr<HeldExecs> held = sandbox->init_->CollectHeld(kHeldTimeoutMs);
      found = held.ok() ? sandbox->AdoptExecs(*std::move(held), traces.execs) : held.status();
      if (found.ok()) found = sandbox->RestorePause(row.paused);
      // While it is paused nothing can be undone: then Resume does it.
      if (found.ok() && !row.paused) sandbox->EndAdoptedFilesPrograms();
      if (found.ok()) found = sandbox->WatchInit();
      if (found.ok()) sandbox->OpenWayOutAgain();
      if (found.ok()) return sandbox;
      sandbox->Leave();  // the rest is that of a sandbox whose init is gone
    }
  }
  std::shared_ptr<Sandbox> sandbox(
      new Sandbox(deps, blueprint,
                  Resources::FindStopped(deps, blueprint, row, devices, traces.same_boot), {}));
  {
    absl::MutexLock lock(&sandbox->mutex_);
    sandbox->state_ = SandboxState::kStopped;
    sandbox->stop_reason_ = WhyStopped(traces, found);
  }
  if (!row.stop_reason.has_value() && deps.state != nullptr) {
    deps.state->NoteStopped(row.id, sandbox->stop_reason());
  }
  sandbox->RestoreExecs(traces.execs);
  return sandbox;
}

absl::Status Sandbox::AdoptExecs(HeldExecs&& held, const std::vector<ExecRow>& rows) {
  std::map<uint32_t, const ExecRow*> ended;
  for (const ExecRow& row : rows) {
    if (RecordedOutcome(row).has_value()) ended[row.exec_no] = &row;
  }
  std::vector<ExecRow> not_held;
  for (const ExecRow& row : rows) {
    if (!held.regions.contains(row.exec_no) || ended.contains(row.exec_no)) not_held.push_back(row);
  }
  RestoreExecs(not_held);
  for (auto& [number, memfd] : held.regions) {
    if (ended.contains(number)) {
      // Killed between the record and its acknowledgement.
      RETURN_IF_ERROR(init_->Send(FrameKind::kAckEnd, number, ""));
      continue;
    }
    ASSIGN_OR_RETURN(OutputRegion region, OutputRegion::Adopt(std::move(memfd)));
    const std::string bytes = region.record();
    ASSIGN_OR_RETURN(ExecRecord record, DecodeExecRecord(bytes));
    RETURN_IF_ERROR(ParseClientName(record.exec_id, "exec_id").status());
    ASSIGN_OR_RETURN(std::shared_ptr<Exec> exec,
                     Exec::Adopt(number, std::move(record), std::move(region), init_));
    absl::MutexLock lock(&mutex_);
    exec->OpenLog(resources_->disk->root_fd());
    next_exec_no_ = std::max(next_exec_no_, number + 1);
    by_number_[number] = exec;
    if (exec->spec().files_program) {
      unsettled_files_[number] = 0;
      continue;
    }
    execs_[exec->id()] = exec;
    if (deps_.state != nullptr) {
      deps_.state->PutExecBehind({id(), number, exec->id(), bytes, std::nullopt});
    }
  }
  {
    // Whoever began later began beside it: its end was not told yet.
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, exec] : by_number_) {
      if (number + 1 < next_exec_no_) exec->NoteBeside();
    }
  }
  for (const InitFrame& frame : held.frames) RETURN_IF_ERROR(OnExecFrame(frame));
  RemoveIdleLeaves();
  return absl::OkStatus();
}

void Sandbox::RestoreExecs(const std::vector<ExecRow>& rows) {
  std::vector<std::shared_ptr<Exec>> unrecorded;
  std::shared_ptr<ExecArchiveStore> archives;
  {
    absl::MutexLock lock(&mutex_);
    if (resources_->archiver != nullptr) archives = resources_->archiver->store();
  }
  for (const ExecRow& row : rows) {
    absl::StatusOr<ExecRecord> record = DecodeExecRecord(row.spec);
    if (!record.ok()) continue;  // of a release that we cannot read; it ends with its sandbox
    std::optional<ExecOutcome> outcome = RecordedOutcome(row);
    const bool known = outcome.has_value();
    // With a living init the command never reached it; else it died with it.
    if (!known) outcome = init_ != nullptr ? NeverStartedOutcome() : ExecOutcome{};
    auto exec = Exec::Restore(row.exec_no, *std::move(record), *outcome, archives);
    if (!known) unrecorded.push_back(exec);
    absl::MutexLock lock(&mutex_);
    if (resources_->disk != nullptr) exec->OpenLog(resources_->disk->root_fd());
    next_exec_no_ = std::max(next_exec_no_, row.exec_no + 1);
    execs_[exec->id()] = std::move(exec);
  }
  for (const auto& exec : unrecorded) RecordEndLater({exec, /*held=*/false});
}

void Sandbox::RemoveIdleLeaves() {
  std::shared_ptr<SandboxCgroup> group;
  {
    absl::MutexLock lock(&mutex_);
    group = resources_->cgroup;
  }
  const absl::StatusOr<std::vector<uint32_t>> leaves = group->ListExecLeaves();
  if (!leaves.ok()) return;  // they go with the sandbox
  for (const uint32_t number : *leaves) {
    {
      absl::MutexLock lock(&mutex_);
      next_exec_no_ = std::max(next_exec_no_, number + 1);
      if (by_number_.contains(number)) continue;
    }
    group->RemoveExecLeafIfEmpty(number);
  }
}

void Sandbox::Describe(SandboxRow* row) const {
  absl::MutexLock lock(&mutex_);
  row->id = blueprint_.id;
  row->workdir = blueprint_.workdir;
  if (resources_ == nullptr) return;
  if (resources_->ids.has_value()) row->host_id_first = resources_->ids->host_id_first();
  if (resources_->disk != nullptr) row->disk = resources_->disk->name();
}

}  // namespace glovebox

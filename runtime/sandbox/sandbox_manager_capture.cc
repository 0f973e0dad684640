// Snapshots of sandboxes, and the store's budget.
//
// A capture copies the sandbox's disk while all in it stands still, as a fork does; what the upper
// has of /workspace becomes a layer over the snapshot that the sandbox was made of. When that has
// as many layers as there may be, a worker copies the merged tree, and it is kept whole.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "sandbox/sandbox_errors.h"
#include "sandbox/sandbox_manager.h"
#include "snapshot/sealed_store.h"
#include "snapshot/worker_failure.h"
#include "snapshot/worker_tree.h"
#include "snapshot/workspace_capture.h"

namespace glovebox {
namespace {

// Owners, times, links, holes and attributes as they are.
constexpr char kCopyScript[] = "mkdir /capture && exec cp -a /workspace /capture/workspace";

constexpr int kImportTries = 5;

absl::Status NoBase() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "the sandbox was made without a snapshot, so it has no /workspace; create "
                       "it from a repository or a snapshot",
                       {"NO_BASE", {}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Disk>> SandboxManager::Flatten(const Disk& top,
                                                              const std::vector<Layer>& below) {
  const ImportLimits limits;
  WorkerJob job;
  job.arguments = {"/bin/sh", "-c", kCopyScript};
  job.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"};
  job.base = below;
  job.base.insert(job.base.begin(), {nullptr, top.mount_path(), SealedStore::kRoot});
  job.as_root_inside = true;
  job.disk_bytes = limits.disk_bytes;
  job.disk_inodes = limits.disk_inodes;
  job.memory_bytes = limits.memory_bytes;
  job.wall_limit = limits.wall_limit;
  ASSIGN_OR_RETURN(WorkerResult result, workers_.Run(job));
  RETURN_IF_ERROR(LimitFailure(result, limits, "the sandbox's /workspace"));
  if (result.exit_code != 0) {
    return absl::InternalError(
        absl::StrCat("the copy of /workspace failed: ", EscapeForPeople(result.stderr_tail, 300)));
  }
  RETURN_IF_ERROR(KeepWorkerTree(*result.disk, "capture/workspace", "workspace"));
  return std::move(result.disk);
}

absl::StatusOr<CaptureOutcome> SandboxManager::Capture(absl::string_view id, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const Entry entry, CopyEntry(id, viewer));
  if (!entry.snapshot.has_value()) return NoBase();
  const absl::Time begin = deps_.clock->Now();
  RETURN_IF_ERROR(CheckStoreRoom());
  // Held by the blueprint as long as the sandbox object lives.
  const std::vector<Layer>& below = entry.sandbox->blueprint().snapshot;
  ASSIGN_OR_RETURN(FilesCopy copy, entry.sandbox->CopyFiles([this] { return IsShuttingDown(); }));
  ASSIGN_OR_RETURN(std::unique_ptr<Disk> disk, deps_.disks->Attach(std::move(copy.image)));
  RETURN_IF_ERROR(KeepWorkspace(*disk));
  std::string parent = entry.snapshot->digest;
  if (below.size() >= SnapshotStore::kLayersMax) {
    ASSIGN_OR_RETURN(disk, Flatten(*disk, below));
    parent.clear();
  }
  const SnapshotSource source{.source = absl::StrCat("sandbox ", entry.sandbox->id()),
                              .source_key = "",
                              .commit = "",
                              .tree = "",
                              .branch = "",
                              .history = History::kFull,
                              .of_all_content = true};
  ASSIGN_OR_RETURN(const SnapshotInfo info, snapshots_->Commit(std::move(disk), source, parent));
  RETURN_IF_ERROR(FitIntoBudget(info, begin));
  return CaptureOutcome{info, copy.frozen};
}

absl::Status SandboxManager::StoreFull(const StoreUse& use) const {
  const StoreBudget& budget = limits_.store;
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("snapshots take ", use.bytes, " bytes and ", use.inodes,
                   " files, and the store's budget (store.bytes_max, store.inodes_max) is used up "
                   "by what is in use"),
      {"STORE_FULL",
       {{"bytes_max", absl::StrCat(budget.bytes_max)},
        {"inodes_max", absl::StrCat(budget.inodes_max)},
        {"remedy", "delete sandboxes and snapshots, or have the budget raised"}}});
}

absl::Status SandboxManager::CheckStoreRoom() {
  if (!limits_.store.limits()) return absl::OkStatus();
  const StoreUse use = UseOf(snapshots_->List());
  if (use.Fits(limits_.store)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Collected collected, Collect({limits_.store, absl::ZeroDuration()}));
  return collected.use.Fits(limits_.store) ? absl::OkStatus() : StoreFull(collected.use);
}

absl::Status SandboxManager::FitIntoBudget(const SnapshotInfo& made, absl::Time begin) {
  if (!limits_.store.limits()) return absl::OkStatus();
  CollectOptions options{limits_.store, absl::ZeroDuration()};
  options.keep = made.digest;
  // What would not make room enough does not go for it.
  options.dry_run = true;
  ASSIGN_OR_RETURN(Collected collected, Collect(options));
  if (collected.use.Fits(limits_.store)) {
    options.dry_run = false;
    ASSIGN_OR_RETURN(collected, Collect(options));
  }
  // Another call for the same one may have removed it again.
  if (!snapshots_->Find(made.digest).ok()) return StoreFull(collected.use);
  if (collected.use.Fits(limits_.store)) return absl::OkStatus();
  if (made.created < begin) return absl::OkStatus();  // it was there: nothing has been added
  // Somebody may have begun to use it: then it stays, and what comes next is refused.
  (void)snapshots_->Delete(made.digest);
  return StoreFull(collected.use);
}

absl::StatusOr<SnapshotInfo> SandboxManager::ImportAndLease(const RepositorySource& source,
                                                            std::vector<Layer>* layers) {
  for (int left = kImportTries;; --left) {
    ASSIGN_OR_RETURN(SnapshotInfo info, ImportRepository(source, nullptr));
    absl::StatusOr<std::vector<Layer>> leased = snapshots_->Lease(info.digest);
    if (absl::IsNotFound(leased.status()) && left > 1) continue;  // removed in between
    RETURN_IF_ERROR(leased.status());
    *layers = *std::move(leased);
    return info;
  }
}

absl::StatusOr<Collected> SandboxManager::Collect(const CollectOptions& asked) {
  CollectOptions options = asked;
  if (!options.budget.limits()) options.budget = limits_.store;
  if (!options.budget.limits()) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         "no budget is configured (store.bytes_max, store.inodes_max): say how "
                         "much may stay; 0 removes all that nothing uses",
                         {"INVALID_FIELD", {{"field", "bytes_max"}}});
  }
  return CollectSnapshots(snapshots_, deps_.clock->Now(), options);
}

}  // namespace glovebox

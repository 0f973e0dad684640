#include "service/sandbox_access.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"

namespace glovebox {
namespace {

std::string ImageKey(const std::string& name) { return absl::StrCat("image:", name); }

absl::Status NotOwner(const char* what) {
  return DetailedError(absl::StatusCode::kPermissionDenied,
                       absl::StrCat("the ", what,
                                    " was imported by another client; only that one "
                                    "and administrators may delete it"),
                       {"NOT_OWNER", {}});
}

absl::Status AdminRequired() {
  return DetailedError(absl::StatusCode::kPermissionDenied,
                       "only administrators (clients.admins in the configuration) may do this",
                       {"ADMIN_REQUIRED", {}});
}

}  // namespace

absl::StatusOr<std::shared_ptr<Sandbox>> SandboxAccess::Find(const Caller& caller,
                                                             const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->Find(parsed, caller.View());
}

absl::StatusOr<SandboxInfo> SandboxAccess::Get(const Caller& caller, const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->Get(parsed, caller.View());
}

absl::Status SandboxAccess::Delete(const Caller& caller, const std::string& id,
                                   Sandbox::CleanUp clean_up) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->Delete(parsed, clean_up, caller.View());
}

std::vector<SandboxInfo> SandboxAccess::List(const Caller& caller) const {
  return manager_->List(caller.View());
}

absl::StatusOr<SandboxInfo> SandboxAccess::Pause(const Caller& caller,
                                                 const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->Pause(parsed, caller.View());
}

absl::StatusOr<SandboxInfo> SandboxAccess::Resume(const Caller& caller,
                                                  const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->Resume(parsed, caller.View());
}

absl::StatusOr<CheckpointInfo> SandboxAccess::TakeCheckpoint(const Caller& caller,
                                                             const std::string& id,
                                                             const std::string& name) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->TakeCheckpoint(parsed, name, caller.View());
}

absl::StatusOr<SandboxInfo> SandboxAccess::RestoreCheckpoint(const Caller& caller,
                                                             const std::string& id,
                                                             const std::string& name) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->RestoreCheckpoint(parsed, name, caller.View());
}

absl::StatusOr<std::vector<CheckpointInfo>> SandboxAccess::ListCheckpoints(
    const Caller& caller, const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->ListCheckpoints(parsed, caller.View());
}

absl::Status SandboxAccess::DeleteCheckpoint(const Caller& caller, const std::string& id,
                                             const std::string& name) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->DeleteCheckpoint(parsed, name, caller.View());
}

absl::StatusOr<ForkOutcome> SandboxAccess::Fork(const Caller& caller, const std::string& id,
                                                const ForkOptions& options) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  const ForkQuota quota{SandboxesMax(caller), [&] { return book_->AdmitCreation(caller); }};
  return manager_->Fork(parsed, options, quota, caller.View());
}

absl::StatusOr<SandboxInfo> SandboxAccess::Create(const Caller& caller,
                                                  CreateOptions options) const {
  RETURN_IF_ERROR(book_->AdmitCreation(caller));
  options.owner = caller.principal;
  const uint64_t owner_max = SandboxesMax(caller);
  if (!options.repository.has_value()) return manager_->Create(options, owner_max);
  RETURN_IF_ERROR(CheckImportQuota(caller));
  const std::set<std::string> before = Snapshots();
  ASSIGN_OR_RETURN(SandboxInfo info, manager_->Create(options, owner_max));
  NoteImporter(caller, before, info.snapshot);
  return info;
}

absl::StatusOr<ClientBook::Ticket> SandboxAccess::AdmitExec(const Caller& caller) const {
  return book_->AdmitExec(caller, [&] { return manager_->CountOpenExecs(caller.View()); });
}

std::set<std::string> SandboxAccess::Snapshots() const {
  std::set<std::string> digests;
  for (const SnapshotInfo& info : manager_->snapshots()->List()) digests.insert(info.digest);
  return digests;
}

void SandboxAccess::NoteImporter(const Caller& caller, const std::set<std::string>& before,
                                 const std::string& digest) const {
  if (before.contains(digest)) return;
  // On a full disk it stays with the administrators, who alone may delete it then.
  (void)owners_->Set(digest, caller.principal);
}

absl::Status SandboxAccess::CheckImportQuota(const Caller& caller) const {
  if (caller.admin) return absl::OkStatus();
  uint64_t bytes = 0;
  for (const SnapshotInfo& info : manager_->snapshots()->List()) {
    if (owners_->Of(info.digest) == caller.principal) bytes += info.bytes_used;
  }
  for (const ImageInfo& info : manager_->images()->List()) {
    if (owners_->Of(ImageKey(info.name)) == caller.principal) bytes += info.bytes_used;
  }
  if (bytes < quota_.import_bytes_max) return absl::OkStatus();
  return ClientBook::QuotaError("import_bytes_max", quota_.import_bytes_max,
                                "bytes of snapshots and images are stored; delete some");
}

absl::StatusOr<SnapshotInfo> SandboxAccess::ImportRepository(
    const Caller& caller, const RepositorySource& source,
    const ImportProgressCallback& progress) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  const std::set<std::string> before = Snapshots();
  ASSIGN_OR_RETURN(SnapshotInfo info, manager_->ImportRepository(source, progress));
  NoteImporter(caller, before, info.digest);
  return info;
}

absl::StatusOr<SnapshotInfo> SandboxAccess::ImportTree(
    const Caller& caller, TreeImportRequest::Kind kind, const std::string& path,
    const ImportProgressCallback& progress) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  const std::set<std::string> before = Snapshots();
  ASSIGN_OR_RETURN(SnapshotInfo info, manager_->ImportTree(kind, path, progress));
  NoteImporter(caller, before, info.digest);
  return info;
}

absl::StatusOr<ImageInfo> SandboxAccess::ImportImage(const Caller& caller, const std::string& name,
                                                     const std::string& archive_path) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  ASSIGN_OR_RETURN(ImageInfo info, manager_->ImportImage(name, archive_path));
  (void)owners_->Set(ImageKey(name), caller.principal);  // as in NoteImporter
  return info;
}

absl::StatusOr<ImageInfo> SandboxAccess::ImportOci(const Caller& caller, const std::string& name,
                                                   const std::string& path,
                                                   const ImportProgressCallback& progress) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  ASSIGN_OR_RETURN(ImageInfo info, manager_->ImportOci(name, path, progress));
  (void)owners_->Set(ImageKey(name), caller.principal);  // as in NoteImporter
  return info;
}

absl::StatusOr<CaptureOutcome> SandboxAccess::Capture(const Caller& caller,
                                                      const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  RETURN_IF_ERROR(manager_->Find(parsed, caller.View()).status());
  RETURN_IF_ERROR(CheckImportQuota(caller));
  const std::set<std::string> before = Snapshots();
  ASSIGN_OR_RETURN(CaptureOutcome outcome, manager_->Capture(parsed, caller.View()));
  NoteImporter(caller, before, outcome.snapshot.digest);
  return outcome;
}

absl::StatusOr<Collected> SandboxAccess::CollectSnapshots(const Caller& caller,
                                                          const CollectOptions& options) const {
  if (!caller.admin) return AdminRequired();
  ASSIGN_OR_RETURN(Collected collected, manager_->Collect(options));
  if (options.dry_run) return collected;
  for (const SnapshotInfo& info : collected.removed) (void)owners_->Remove(info.digest);
  return collected;
}

absl::Status SandboxAccess::CheckSnapshots(
    const Caller& caller, bool read_content,
    absl::FunctionRef<absl::Status(const EntryCheck&)> tell) const {
  if (!caller.admin) return AdminRequired();
  return glovebox::CheckSnapshots(manager_->snapshots(), read_content, tell);
}

absl::Status SandboxAccess::DeleteSnapshot(const Caller& caller, const std::string& digest) const {
  RETURN_IF_ERROR(manager_->snapshots()->Find(digest).status());
  if (!caller.View().Sees(owners_->Of(digest))) return NotOwner("snapshot");
  RETURN_IF_ERROR(manager_->snapshots()->Delete(digest));
  (void)owners_->Remove(digest);  // a record of what is not there any more does no harm
  return absl::OkStatus();
}

absl::Status SandboxAccess::DeleteImage(const Caller& caller, const std::string& name) const {
  RETURN_IF_ERROR(manager_->images()->Find(name).status());
  if (!caller.View().Sees(owners_->Of(ImageKey(name)))) return NotOwner("image");
  // What is left of its record is of no use to anybody: who takes the name next sets its own.
  return manager_->images()->Delete(name);
}

SandboxAccess::HostUse SandboxAccess::Use() const {
  HostUse use;
  for (const SandboxInfo& info : manager_->List()) {
    ++use.sandboxes;
    use.memory_promised_bytes += info.limits.memory_bytes;
  }
  use.open_execs = manager_->CountOpenExecs(Viewer(EveryOwner{}));
  return use;
}

}  // namespace glovebox

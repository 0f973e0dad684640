#include "service/sandbox_access.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/ids.h"
#include "base/status.h"
#include "sandbox/sandbox_errors.h"
#include "service/convert_snapshot.h"

namespace glovebox {
namespace {

constexpr char kImagePrefix[] = "image:";
constexpr char kSnapshotsField[] = "snapshots";

std::string ImageKey(const std::string& name) { return absl::StrCat(kImagePrefix, name); }

// An administrator fills the store for everybody.
std::string ImporterOf(const Caller& caller) {
  return caller.admin ? StoreOwners::kEverybody : caller.principal;
}

// An error that names snapshots, those of others left out.
absl::Status NamingOnly(const absl::Status& error, const std::vector<SnapshotInfo>& seen) {
  std::optional<ErrorDetail> detail = GetErrorDetail(error);
  if (!detail.has_value() || !detail->metadata.contains(kSnapshotsField)) return error;
  std::set<std::string> digests;
  for (const SnapshotInfo& info : seen) digests.insert(info.digest);
  std::vector<std::string> named = absl::StrSplit(detail->metadata[kSnapshotsField], ',');
  std::erase_if(named, [&](const std::string& digest) { return !digests.contains(digest); });
  detail->metadata[kSnapshotsField] = absl::StrJoin(named, ",");
  return DetailedError(error.code(), error.message(), *detail);
}

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

absl::StatusOr<std::vector<SandboxInfo>> SandboxAccess::ListAll(const Caller& caller) const {
  std::vector<SandboxInfo> all = List(caller);
  if (manager_->IsShuttingDown()) return ShuttingDown();
  return all;
}

absl::StatusOr<SandboxInfo> SandboxAccess::Pause(const Caller& caller,
                                                 const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->Pause(parsed, caller.View());
}

absl::StatusOr<EgressUpdate> SandboxAccess::UpdateEgress(
    const Caller& caller, const std::string& id, const EgressPolicy& policy,
    const std::optional<std::string>& etag) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->UpdateEgress(parsed, policy, etag, caller.View());
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
  if (!options.snapshot.empty()) RETURN_IF_ERROR(FindSnapshot(caller, options.snapshot).status());
  for (const CacheMount& cache : options.caches) {
    if (!cache.snapshot.empty()) {
      RETURN_IF_ERROR(FindSnapshot(caller, cache.snapshot).status());
    }
  }
  if (!options.repository.has_value()) return manager_->Create(options, owner_max);
  RETURN_IF_ERROR(CheckImportQuota(caller));
  ASSIGN_OR_RETURN(SandboxInfo info, manager_->Create(options, owner_max));
  // On a full disk the snapshot is the administrators'. The sandbox has it all the same.
  (void)owners_->Add(info.snapshot, ImporterOf(caller));
  return info;
}

absl::StatusOr<ClientBook::Ticket> SandboxAccess::AdmitExec(const Caller& caller) const {
  return book_->AdmitExec(caller, [&] { return manager_->CountOpenExecs(caller.View()); });
}

absl::StatusOr<SnapshotInfo> SandboxAccess::NoteImporter(
    const Caller& caller, absl::StatusOr<SnapshotInfo> imported) const {
  if (imported.ok()) RETURN_IF_ERROR(owners_->Add(imported->digest, ImporterOf(caller)));
  return imported;
}

absl::Status SandboxAccess::CheckImportQuota(const Caller& caller) const {
  if (caller.admin) return absl::OkStatus();
  uint64_t bytes = 0;
  for (const SnapshotInfo& info : manager_->snapshots()->List()) {
    if (owners_->Owns(caller.View(), info.digest)) bytes += info.bytes_used;
  }
  for (const ImageInfo& info : manager_->images()->List()) {
    if (owners_->Owns(caller.View(), ImageKey(info.name))) bytes += info.bytes_used;
  }
  if (bytes < quota_.import_bytes_max) return absl::OkStatus();
  return ClientBook::QuotaError("import_bytes_max", quota_.import_bytes_max,
                                "bytes of snapshots and images are stored; delete some");
}

absl::StatusOr<SnapshotInfo> SandboxAccess::ImportRepository(
    const Caller& caller, const RepositorySource& source,
    const ImportProgressCallback& progress) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  return NoteImporter(caller, manager_->ImportRepository(source, progress));
}

absl::StatusOr<SnapshotInfo> SandboxAccess::ImportRemote(const Caller& caller,
                                                         const RemoteSource& source,
                                                         const ImportProgressCallback& progress,
                                                         const std::function<bool()>& gone) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  auto imported = manager_->ImportRemote(source, caller.principal, progress, gone);
  if (source.secret_name.empty()) return NoteImporter(caller, std::move(imported));
  // An administrator's, too: who filled the store for everybody would have needed no secret.
  if (imported.ok()) RETURN_IF_ERROR(owners_->Add(imported->digest, caller.principal));
  return imported;
}

absl::StatusOr<SnapshotInfo> SandboxAccess::ImportTree(
    const Caller& caller, TreeImportRequest::Kind kind, const std::string& path,
    const ImportProgressCallback& progress) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  return NoteImporter(caller, manager_->ImportTree(kind, path, progress));
}

absl::StatusOr<SnapshotInfo> SandboxAccess::ImportUpload(
    const Caller& caller, UploadImportRequest::Kind kind, const BlobDigest& digest,
    const ImportProgressCallback& progress) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  return NoteImporter(caller,
                      manager_->ImportUpload({kind, blobs_, caller.principal, digest}, progress));
}

std::vector<BlobDigest> SandboxAccess::FindMissingBlobs(
    const Caller& caller, const std::vector<BlobDigest>& digests) const {
  return blobs_->FindMissing(caller.principal, digests);
}

absl::Status SandboxAccess::PutBlob(const Caller& caller, const BlobDigest& digest,
                                    absl::string_view bytes) const {
  return blobs_->Put(caller.principal, digest, bytes);
}

absl::StatusOr<std::unique_ptr<BlobUpload>> SandboxAccess::BeginUpload(
    const Caller& caller, const BlobDigest& digest) const {
  return blobs_->Begin(caller.principal, digest);
}

absl::StatusOr<ImageInfo> SandboxAccess::ImportImage(const Caller& caller, const std::string& name,
                                                     const std::string& path,
                                                     bool is_directory) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  ASSIGN_OR_RETURN(ImageInfo info, manager_->ImportImage(name, path, is_directory));
  (void)owners_->Set(ImageKey(name), {caller.principal});  // on a full disk, administrators
  return info;
}

absl::StatusOr<ImageInfo> SandboxAccess::ImportOci(const Caller& caller, const std::string& name,
                                                   const std::string& path,
                                                   const ImportProgressCallback& progress) const {
  RETURN_IF_ERROR(CheckImportQuota(caller));
  ASSIGN_OR_RETURN(ImageInfo info, manager_->ImportOci(name, path, progress));
  (void)owners_->Set(ImageKey(name), {caller.principal});  // on a full disk, administrators
  return info;
}

absl::StatusOr<CaptureOutcome> SandboxAccess::Capture(const Caller& caller,
                                                      const std::string& id) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  RETURN_IF_ERROR(manager_->Find(parsed, caller.View()).status());
  RETURN_IF_ERROR(CheckImportQuota(caller));
  ASSIGN_OR_RETURN(CaptureOutcome outcome, manager_->Capture(parsed, caller.View()));
  RETURN_IF_ERROR(owners_->Add(outcome.snapshot.digest, caller.principal));
  return outcome;
}

absl::StatusOr<CommitOutcome> SandboxAccess::CommitChanges(const Caller& caller,
                                                           const std::string& id,
                                                           const CommitOptions& options) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->CommitChanges(parsed, options, caller.View());
}

absl::StatusOr<ExportedCommits> SandboxAccess::ExportCommits(const Caller& caller,
                                                             const std::string& id,
                                                             const ExportOptions& options) const {
  ASSIGN_OR_RETURN(const std::string parsed, ParseSandboxId(id));
  return manager_->ExportCommits(parsed, options, caller.View());
}

absl::StatusOr<BlobCollection> SandboxAccess::CollectBlobs(const Caller& caller,
                                                           bool dry_run) const {
  if (!caller.admin) return AdminRequired();
  return blobs_->Collect(dry_run);
}

absl::StatusOr<Collected> SandboxAccess::CollectSnapshots(const Caller& caller,
                                                          const CollectOptions& options) const {
  if (!caller.admin) return AdminRequired();
  ASSIGN_OR_RETURN(Collected collected, manager_->Collect(options));
  if (options.dry_run) return collected;
  // A record of what is not there any more does no harm.
  for (const SnapshotInfo& info : collected.removed) (void)owners_->Set(info.digest, {});
  return collected;
}

absl::Status SandboxAccess::CheckSnapshots(
    const Caller& caller, bool read_content,
    absl::FunctionRef<absl::Status(const EntryCheck&)> tell) const {
  if (!caller.admin) return AdminRequired();
  RETURN_IF_ERROR(glovebox::CheckSnapshots(manager_->snapshots(), read_content, tell));
  RETURN_IF_ERROR(CheckImages(manager_->images(), read_content, tell));
  return blobs_->Check(read_content, [&](const BlobCheck& check) {
    return tell(
        {absl::StrCat("blobs/", check.name), check.problem,
         check.problem.empty()
             ? ""
             : "an import that needs it refuses and removes it; its client uploads it again"});
  });
}

absl::StatusOr<SnapshotInfo> SandboxAccess::FindSnapshot(const Caller& caller,
                                                         const std::string& digest) const {
  if (!owners_->Sees(caller.View(), digest)) return SnapshotNotFound(digest);
  return manager_->snapshots()->Find(digest);
}

std::vector<SnapshotInfo> SandboxAccess::ListSnapshots(const Caller& caller) const {
  std::vector<SnapshotInfo> infos = manager_->snapshots()->List();
  std::erase_if(
      infos, [&](const SnapshotInfo& info) { return !owners_->Sees(caller.View(), info.digest); });
  return infos;
}

// By a sandbox, by a name, or as the parent of a snapshot.
bool SandboxAccess::UsesSnapshot(const Caller& caller, const std::string& digest) const {
  const std::vector<SandboxInfo> sandboxes = manager_->List(caller.View());
  const std::vector<SnapshotInfo> snapshots = ListSnapshots(caller);
  const std::vector<CacheInfo> caches = ListCaches(caller);
  const auto names_it = [&](const CacheInfo& info) { return info.snapshot == digest; };
  const auto uses_it = [&](const SandboxInfo& info) {
    return glovebox::UsesSnapshot(info, digest);
  };
  return std::any_of(sandboxes.begin(), sandboxes.end(), uses_it) ||
         std::any_of(caches.begin(), caches.end(), names_it) ||
         std::any_of(snapshots.begin(), snapshots.end(),
                     [&](const SnapshotInfo& info) { return info.parent == digest; });
}

absl::Status SandboxAccess::DeleteSnapshot(const Caller& caller, const std::string& digest) const {
  RETURN_IF_ERROR(FindSnapshot(caller, digest).status());
  if (!owners_->Owns(caller.View(), digest)) return NotOwner("snapshot");
  const std::set<std::string> owners = owners_->Of(digest);
  std::set<std::string> others = owners;
  others.erase(caller.principal);
  if (!caller.admin && !others.empty()) return owners_->Set(digest, others);
  // First, so that who imports the same while it goes is its owner then.
  RETURN_IF_ERROR(owners_->Set(digest, {}));
  const absl::Status deleted = manager_->snapshots()->Delete(digest);
  if (deleted.ok() || absl::IsNotFound(deleted)) return absl::OkStatus();
  const bool others_use_it = absl::IsFailedPrecondition(deleted) && !caller.admin;
  if (others_use_it && !UsesSnapshot(caller, digest)) return absl::OkStatus();
  RETURN_IF_ERROR(owners_->Set(digest, owners));
  return NamingOnly(deleted, ListSnapshots(caller));
}

absl::Status SandboxAccess::DeleteImage(const Caller& caller, const std::string& name) const {
  RETURN_IF_ERROR(manager_->images()->Find(name).status());
  if (!owners_->Owns(caller.View(), ImageKey(name))) return NotOwner("image");
  // What is left of its record is of no use to anybody: who takes the name next sets its own.
  return manager_->images()->Delete(name);
}

absl::Status SandboxAccess::ForgetOwnersOfWhatIsGone() const {
  return owners_->Keep([&](const std::string& key) {
    const std::string image(absl::StripPrefix(key, kImagePrefix));
    return image == key ? manager_->snapshots()->Find(key).ok()
                        : manager_->images()->Find(image).ok();
  });
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

absl::StatusOr<CacheInfo> SandboxAccess::SetCache(const Caller& caller, const std::string& name,
                                                  const std::string& digest, bool shared) const {
  if (shared && !caller.admin) return AdminRequired();
  RETURN_IF_ERROR(FindSnapshot(caller, digest).status());
  return manager_->caches()->Set(caller.principal, name, digest, shared);
}

std::vector<CacheInfo> SandboxAccess::ListCaches(const Caller& caller) const {
  return manager_->caches()->List(caller.View());
}

absl::Status SandboxAccess::DeleteCache(const Caller& caller, const std::string& name,
                                        const std::string& owner) const {
  if (owner != caller.principal && !caller.admin) return AdminRequired();
  CacheBook& caches = *manager_->caches();
  const bool shared = owner == caller.principal && caches.IsShared(name);
  if (shared && !caller.admin) return AdminRequired();
  return caches.Remove(owner, name, shared);
}

absl::StatusOr<SecretInfo> SandboxAccess::CreateSecret(const Caller& caller,
                                                       const std::string& name,
                                                       std::string value) const {
  return manager_->secrets()->Create(caller.principal, name, std::move(value));
}

std::vector<SecretInfo> SandboxAccess::ListSecrets(const Caller& caller) const {
  return manager_->secrets()->List(caller.View());
}

absl::Status SandboxAccess::DeleteSecret(const Caller& caller, const std::string& name,
                                         const std::string& owner) const {
  if (owner != caller.principal && !caller.admin) return AdminRequired();
  return manager_->secrets()->Delete(owner, name);
}

}  // namespace glovebox

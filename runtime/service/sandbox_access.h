// The sandboxes as a caller sees them: the only way from a service to the SandboxManager, so that
// no RPC can forget to ask whose a sandbox is.
#ifndef GLOVEBOX_SERVICE_SANDBOX_ACCESS_H_
#define GLOVEBOX_SERVICE_SANDBOX_ACCESS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "policy/client_quota.h"
#include "sandbox/sandbox_manager.h"
#include "sandbox/secret_book.h"
#include "sandbox/store_owners.h"
#include "service/caller.h"
#include "service/client_book.h"
#include "snapshot/blob_store.h"
#include "snapshot/store_check.h"
#include "snapshot/store_collect.h"
#include "snapshot/upload_import.h"

namespace glovebox {

// Thread-safe. A sandbox of somebody else is answered byte for byte as one that is not there.
class SandboxAccess {
 public:
  // All outlive this object.
  SandboxAccess(SandboxManager* manager, StoreOwners* owners, BlobStore* blobs, ClientBook* book,
                const ClientQuota& quota)
      : manager_(manager), owners_(owners), blobs_(blobs), book_(book), quota_(quota) {}

  // NOT_FOUND with reason SANDBOX_NOT_FOUND; INVALID_ARGUMENT for what is no id.
  absl::StatusOr<std::shared_ptr<Sandbox>> Find(const Caller& caller, const std::string& id) const;
  absl::StatusOr<SandboxInfo> Get(const Caller& caller, const std::string& id) const;
  absl::Status Delete(const Caller& caller, const std::string& id,
                      Sandbox::CleanUp clean_up = Sandbox::CleanUp::kQueue) const;
  // Fewer while the daemon shuts down.
  std::vector<SandboxInfo> List(const Caller& caller) const;
  // UNAVAILABLE with reason SHUTTING_DOWN instead.
  absl::StatusOr<std::vector<SandboxInfo>> ListAll(const Caller& caller) const;

  absl::StatusOr<SandboxInfo> Pause(const Caller& caller, const std::string& id) const;
  absl::StatusOr<SandboxInfo> Resume(const Caller& caller, const std::string& id) const;
  absl::StatusOr<EgressUpdate> UpdateEgress(const Caller& caller, const std::string& id,
                                            const EgressPolicy& policy,
                                            const std::optional<std::string>& etag) const;

  // As SandboxManager's.
  absl::StatusOr<CheckpointInfo> TakeCheckpoint(const Caller& caller, const std::string& id,
                                                const std::string& name) const;
  absl::StatusOr<SandboxInfo> RestoreCheckpoint(const Caller& caller, const std::string& id,
                                                const std::string& name) const;
  absl::StatusOr<std::vector<CheckpointInfo>> ListCheckpoints(const Caller& caller,
                                                              const std::string& id) const;
  absl::Status DeleteCheckpoint(const Caller& caller, const std::string& id,
                                const std::string& name) const;

  // The children belong to the sandbox's owner, and each counts as a creation of the caller's: it
  // has RESOURCE_EXHAUSTED, CLIENT_QUOTA or CLIENT_RATE as its outcome, or the call when not even
  // one may be made.
  absl::StatusOr<ForkOutcome> Fork(const Caller& caller, const std::string& id,
                                   const ForkOptions& options) const;

  // The caller becomes its owner. RESOURCE_EXHAUSTED, CLIENT_QUOTA or CLIENT_RATE.
  absl::StatusOr<SandboxInfo> Create(const Caller& caller, CreateOptions options) const;
  // RESOURCE_EXHAUSTED, CLIENT_QUOTA, when the caller's sandboxes run as many commands as they may.
  // Held until the command is among the running ones.
  absl::StatusOr<ClientBook::Ticket> AdmitExec(const Caller& caller) const;

  // A snapshot is seen and used by those who imported or captured it, and by all when an
  // administrator imported it; to others it is one that is not there. Images are for all.
  absl::StatusOr<SnapshotInfo> ImportRepository(const Caller& caller,
                                                const RepositorySource& source,
                                                const ImportProgressCallback& progress) const;
  absl::StatusOr<SnapshotInfo> ImportRemote(const Caller& caller, const RemoteSource& source,
                                            const ImportProgressCallback& progress,
                                            const std::function<bool()>& gone) const;
  absl::StatusOr<SnapshotInfo> ImportTree(const Caller& caller, TreeImportRequest::Kind kind,
                                          const std::string& path,
                                          const ImportProgressCallback& progress) const;
  // Of the caller's own blobs; what others uploaded is as if it were not there.
  absl::StatusOr<SnapshotInfo> ImportUpload(const Caller& caller, UploadImportRequest::Kind kind,
                                            const BlobDigest& digest,
                                            const ImportProgressCallback& progress) const;
  std::vector<BlobDigest> FindMissingBlobs(const Caller& caller,
                                           const std::vector<BlobDigest>& digests) const;
  absl::Status PutBlob(const Caller& caller, const BlobDigest& digest,
                       absl::string_view bytes) const;
  absl::StatusOr<std::unique_ptr<BlobUpload>> BeginUpload(const Caller& caller,
                                                          const BlobDigest& digest) const;
  absl::StatusOr<ImageInfo> ImportImage(const Caller& caller, const std::string& name,
                                        const std::string& path, bool is_directory) const;
  absl::StatusOr<ImageInfo> ImportOci(const Caller& caller, const std::string& name,
                                      const std::string& path,
                                      const ImportProgressCallback& progress) const;
  // Of a sandbox that the caller sees; as an import, it is the caller's and counts in its quota.
  absl::StatusOr<CaptureOutcome> Capture(const Caller& caller, const std::string& id) const;
  // As SandboxManager's.
  absl::StatusOr<CommitOutcome> CommitChanges(const Caller& caller, const std::string& id,
                                              const CommitOptions& options) const;
  absl::StatusOr<ExportedCommits> ExportCommits(const Caller& caller, const std::string& id,
                                                const ExportOptions& options) const;
  // For administrators: PERMISSION_DENIED, ADMIN_REQUIRED. Of the blobs of all clients, too.
  absl::StatusOr<BlobCollection> CollectBlobs(const Caller& caller, bool dry_run) const;
  absl::StatusOr<Collected> CollectSnapshots(const Caller& caller,
                                             const CollectOptions& options) const;
  absl::Status CheckSnapshots(const Caller& caller, bool read_content,
                              absl::FunctionRef<absl::Status(const EntryCheck&)> tell) const;
  // NOT_FOUND with reason SNAPSHOT_NOT_FOUND.
  absl::StatusOr<SnapshotInfo> FindSnapshot(const Caller& caller, const std::string& digest) const;
  std::vector<SnapshotInfo> ListSnapshots(const Caller& caller) const;
  // Only an owner, which who imported an image is too, and administrators may: PERMISSION_DENIED,
  // NOT_OWNER. Of several owners' snapshot, and of one that only others use, the caller ceases to
  // be an owner, and it stays until nobody needs it.
  absl::Status DeleteSnapshot(const Caller& caller, const std::string& digest) const;
  absl::Status DeleteImage(const Caller& caller, const std::string& name) const;
  // When the daemon starts: what goes by itself, to make room, leaves its record behind.
  absl::Status ForgetOwnersOfWhatIsGone() const;
  const ImageStore* images() const { return manager_->images(); }

  // Names of caches: an owner's own, or shared, which administrators alone set and delete:
  // PERMISSION_DENIED, ADMIN_REQUIRED. Else as SecretBook's.
  absl::StatusOr<SecretInfo> CreateSecret(const Caller& caller, const std::string& name,
                                          std::string value) const;
  std::vector<SecretInfo> ListSecrets(const Caller& caller) const;
  absl::Status DeleteSecret(const Caller& caller, const std::string& name,
                            const std::string& owner) const;

  // PERMISSION_DENIED, ADMIN_REQUIRED. Else as CacheBook's.
  absl::StatusOr<CacheInfo> SetCache(const Caller& caller, const std::string& name,
                                     const std::string& digest, bool shared) const;
  std::vector<CacheInfo> ListCaches(const Caller& caller) const;
  // `owner`'s own, or else the shared one.
  absl::Status DeleteCache(const Caller& caller, const std::string& name,
                           const std::string& owner) const;

  // Of all owners: for the capacity of the host.
  struct HostUse {
    uint32_t sandboxes = 0;
    uint32_t open_execs = 0;
    uint64_t memory_promised_bytes = 0;
  };
  HostUse Use() const;

 private:
  uint64_t SandboxesMax(const Caller& caller) const {
    return caller.admin ? UINT64_MAX : quota_.sandboxes_max;
  }
  absl::Status CheckImportQuota(const Caller& caller) const;
  bool UsesSnapshot(const Caller& caller, const std::string& digest) const;
  absl::StatusOr<SnapshotInfo> NoteImporter(const Caller& caller,
                                            absl::StatusOr<SnapshotInfo> imported) const;

  SandboxManager* const manager_;
  StoreOwners* const owners_;
  BlobStore* const blobs_;
  ClientBook* const book_;
  const ClientQuota quota_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_SANDBOX_ACCESS_H_

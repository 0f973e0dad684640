// Every sandbox of this daemon: admission, creation, look-up, deletion.
#ifndef GLOVEBOX_SANDBOX_SANDBOX_MANAGER_H_
#define GLOVEBOX_SANDBOX_SANDBOX_MANAGER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "changes/patch_writer.h"
#include "policy/ip_address.h"
#include "sandbox/cache_book.h"
#include "sandbox/owner.h"
#include "sandbox/sandbox.h"
#include "sandbox/sandbox_spec.h"
#include "sandbox/timed_turn.h"
#include "sandbox/worker.h"
#include "snapshot/branch_shelf.h"
#include "snapshot/disk_copy.h"
#include "snapshot/git_import.h"
#include "snapshot/git_work.h"
#include "snapshot/image_import.h"
#include "snapshot/image_store.h"
#include "snapshot/oci_import.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/store_collect.h"
#include "snapshot/tree_import.h"
#include "snapshot/upload_import.h"

namespace glovebox {

struct ManagerLimits {
  uint32_t sandboxes_max = 4096;
  uint32_t creates_at_once_max = 64;
  // Directories below which repositories and image archives may be imported from; "/" allows all.
  // Empty: none.
  std::vector<std::string> import_roots = {"/"};
  StoreBudget store;  // of snapshots; what nobody uses is removed to hold it
  // The tiers that clients may ask for, with the programs of each, which outlive the manager. The
  // default is of the same list; with an empty one it is that of SandboxDeps::filters.
  std::vector<const SeccompPrograms*> seccomp_tiers;
  SeccompTier seccomp_default = kDefaultSeccompTier;
  // Within which an egress policy may allow private addresses.
  std::vector<IpRange> egress_private_ranges;
};

// What became of the sandboxes of an earlier daemon.
struct AdoptionReport {
  size_t running = 0;
  size_t stopped = 0;
  std::vector<std::string> problems;  // a line each, for the log
};

struct ManagerCounts {
  uint64_t sandboxes = 0;
  uint64_t created_total = 0;
  uint64_t create_failed_total = 0;
  uint64_t deleted_total = 0;
  uint64_t execs_total = 0;
};

struct CaptureOutcome {
  SnapshotInfo snapshot;
  absl::Duration frozen;  // how long the sandbox stood still
};

// Checked by the caller: CheckBranchName, no control characters in name and email.
struct CommitOptions {
  std::string branch, message, name, email;
  absl::Time time;
  std::vector<std::string> paths;  // relative to /workspace; none: all
};

struct CommitOutcome {
  std::string commit;
  uint64_t files = 0, lines_added = 0, lines_removed = 0;  // against its parent
  PatchSummary patch;                                      // against the base
  std::string patch_digest;                                // "sha256:..."
};

struct ExportOptions {
  std::string commit;                 // full object name or branch
  std::vector<std::string> excluded;  // full object names; none: what the base has
  bool series = false;                // mails instead of a bundle
};

struct ExportedCommits {
  GitOutput output;
  uint64_t begin = 0, bytes = 0;  // in its file

  // The piece at `offset` of them, not empty; DATA_LOSS when there is none.
  absl::StatusOr<std::string> Read(uint64_t offset, size_t bytes_max) const;
};

// What the owner of a fork's children may have, asked before anything of a child is made.
struct ForkQuota {
  uint64_t owner_max = UINT64_MAX;        // as of Create
  std::function<absl::Status()> another;  // for each child that is not there yet; null: all may be
};

struct ForkOutcome {
  std::vector<absl::StatusOr<SandboxInfo>> children;  // as many as were asked for
  std::optional<absl::Duration> frozen;  // none: all were there already, of an earlier call
  uint64_t processes_not_copied = 0;     // and threads of the parent's commands
};

// The API's services come here through service/sandbox_access.h alone, which names the viewer.
//
// Thread-safe; all calls block (milliseconds, imports up to minutes) and belong on a worker thread.
class SandboxManager {
 public:
  // The collaborators outlive the manager.
  SandboxManager(SandboxDeps deps, SnapshotStore* snapshots, ImageStore* images,
                 ManagerLimits limits);
  // Leaves every sandbox to the next daemon; ends them where no record is kept.
  ~SandboxManager();

  // Takes over what an earlier daemon left, several at a time, before the first other call. Removes
  // sockets and output of sandboxes that have no record. One that cannot be taken over is ended,
  // stays as stopped, and does not keep the others.
  AdoptionReport Adopt(StateDb::Contents contents, const std::string& boot_id);

  // `owner_max`: how many sandboxes their owner may have; RESOURCE_EXHAUSTED, CLIENT_QUOTA.
  absl::StatusOr<SandboxInfo> Create(const CreateOptions& options, uint64_t owner_max = UINT64_MAX);

  // NOT_FOUND with reason SANDBOX_NOT_FOUND; the same for what `viewer` does not see.
  absl::StatusOr<std::shared_ptr<Sandbox>> Find(absl::string_view id,
                                                const Viewer& viewer = Viewer(EveryOwner{})) const;
  absl::StatusOr<SandboxInfo> Get(absl::string_view id,
                                  const Viewer& viewer = Viewer(EveryOwner{})) const;
  std::vector<SandboxInfo> List(
      const Viewer& viewer = Viewer(EveryOwner{})) const;  // by creation time, then id

  // Commands that run in the sandboxes that `viewer` sees.
  uint32_t CountOpenExecs(const Viewer& viewer) const;

  // Ends and removes a sandbox; returns when its processes are gone and its resources are queued
  // for removal. NOT_FOUND when there is none (any more) or `viewer` does not see it.
  absl::Status Delete(absl::string_view id, Sandbox::CleanUp clean_up = Sandbox::CleanUp::kQueue,
                      const Viewer& viewer = Viewer(EveryOwner{}));

  // Makes `count` sandboxes with the files that the sandbox `id` has at one moment, each with an
  // outcome of its own; nothing of a child that failed is left. They belong to its owner. It stands
  // still only while its disk is copied, and not at all when no child may be made. NOT_FOUND as
  // Find; INVALID_ARGUMENT for the options; the refusal of the first child, as of Create, when not
  // even one may be made; errors of Sandbox::CopyFiles.
  absl::StatusOr<ForkOutcome> Fork(absl::string_view id, const ForkOptions& options,
                                   const ForkQuota& quota = {},
                                   const Viewer& viewer = Viewer(EveryOwner{}));

  // Keeps the files that the sandbox has at one moment, to go back to. `name`: unique in the
  // sandbox, "": chosen here. One that is there is returned as it is. RESOURCE_EXHAUSTED with
  // reason CHECKPOINT_LIMIT or HOST_FULL; errors of Sandbox::CopyFiles.
  absl::StatusOr<CheckpointInfo> TakeCheckpoint(absl::string_view id, const std::string& name,
                                                const Viewer& viewer = Viewer(EveryOwner{}));
  // Ends every process of the sandbox, running, paused or stopped, and begins it anew with the
  // files of a checkpoint. NOT_FOUND with reason CHECKPOINT_NOT_FOUND. Before anything has ended:
  // HOST_FULL. Later errors leave it stopped.
  absl::StatusOr<SandboxInfo> RestoreCheckpoint(absl::string_view id, const std::string& name,
                                                const Viewer& viewer = Viewer(EveryOwner{}));
  // By time, then id.
  absl::StatusOr<std::vector<CheckpointInfo>> ListCheckpoints(
      absl::string_view id, const Viewer& viewer = Viewer(EveryOwner{})) const;
  absl::Status DeleteCheckpoint(absl::string_view id, const std::string& name,
                                const Viewer& viewer = Viewer(EveryOwner{}));

  // As Sandbox's, and the sandbox as it is then. NOT_FOUND as Find.
  absl::StatusOr<SandboxInfo> Pause(absl::string_view id,
                                    const Viewer& viewer = Viewer(EveryOwner{}));
  absl::StatusOr<SandboxInfo> Resume(absl::string_view id,
                                     const Viewer& viewer = Viewer(EveryOwner{}));

  // What its connections are judged by from then on; with `etag` only if that of the policy before
  // is this one. NOT_FOUND as Find; ABORTED with reason ETAG_MISMATCH; what EgressRules::Compile
  // and Sandbox::ReplaceEgress return. On an error nothing has changed.
  absl::StatusOr<EgressUpdate> UpdateEgress(absl::string_view id, const EgressPolicy& policy,
                                            const std::optional<std::string>& etag,
                                            const Viewer& viewer = Viewer(EveryOwner{}));

  // A snapshot of the sandbox's /workspace as it is at one moment, over its own snapshot. NOT_FOUND
  // as Find; FAILED_PRECONDITION with reason NO_BASE; errors of Sandbox::CopyFiles, KeepWorkspace
  // and SnapshotStore::Commit; STORE_FULL as ImportRepository.
  absl::StatusOr<CaptureOutcome> Capture(absl::string_view id,
                                         const Viewer& viewer = Viewer(EveryOwner{}));

  // Commits what the sandbox changed since its base, in a repository that it cannot write to, and
  // keeps the commit with the sandbox. NOT_FOUND as Find; NO_BASE without a commit below; errors of
  // GitWork::Commit, BranchShelf::Keep, ScanUpper, WritePatch.
  absl::StatusOr<CommitOutcome> CommitChanges(absl::string_view id, const CommitOptions& options,
                                              const Viewer& viewer = Viewer(EveryOwner{}))
      ABSL_LOCKS_EXCLUDED(commits_mutex_);
  // Of what CommitChanges kept, else of what the sandbox's own git made. NOT_FOUND as Find;
  // NO_BASE; errors of GitWork::Export, and, of what is inside, of Sandbox::CopyFiles and
  // KeepWorkspace.
  absl::StatusOr<ExportedCommits> ExportCommits(absl::string_view id, const ExportOptions& options,
                                                const Viewer& viewer = Viewer(EveryOwner{}))
      ABSL_LOCKS_EXCLUDED(commits_mutex_);

  // Without a budget in the options, the configured one; INVALID_ARGUMENT when there is none.
  absl::StatusOr<Collected> Collect(const CollectOptions& options);

  // RESOURCE_EXHAUSTED with reason STORE_FULL when it does not fit into the store's budget,
  // although all was removed that nobody uses; else errors of GitImporter::Import.
  absl::StatusOr<SnapshotInfo> ImportRepository(const RepositorySource& source,
                                                const ImportProgressCallback& progress);
  // `owner`: whose secret it is. `gone`: whether the caller has; see ImportRequest.
  // CAPABILITY_MISSING on a node without a way out; SECRET_NOT_FOUND.
  absl::StatusOr<SnapshotInfo> ImportRemote(const RemoteSource& source, const std::string& owner,
                                            const ImportProgressCallback& progress,
                                            const std::function<bool()>& gone);
  absl::StatusOr<SnapshotInfo> ImportTree(TreeImportRequest::Kind kind, const std::string& path,
                                          const ImportProgressCallback& progress);
  absl::StatusOr<SnapshotInfo> ImportUpload(const UploadImportRequest& request,
                                            const ImportProgressCallback& progress);
  absl::StatusOr<ImageInfo> ImportImage(const std::string& name, const std::string& path,
                                        bool is_directory = false);
  absl::StatusOr<ImageInfo> ImportOci(const std::string& name, const std::string& path,
                                      const ImportProgressCallback& progress);
  // Names of caches: what they mean is up to whoever asks for them.
  CacheBook* caches() { return &caches_; }
  // The deps'.
  SecretBook* secrets() const { return deps_.secrets; }
  SnapshotStore* snapshots() const { return snapshots_; }
  ImageStore* images() const { return images_; }

  ManagerCounts Counts() const;

  // From now on Create answers UNAVAILABLE with reason SHUTTING_DOWN; every sandbox is deleted
  // (kEnd), or left to the next daemon with its commands running (kLeave; imports end). Returns how
  // many were left.
  enum class OnShutdown { kLeave, kEnd };
  size_t Shutdown(OnShutdown what);
  // What is not there is not known to be gone from then on: lists are short, and every call on a
  // sandbox that is not there is UNAVAILABLE with reason SHUTTING_DOWN.
  bool IsShuttingDown() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Of a sandbox that is not among the entries.
  absl::Status Missing(absl::string_view id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  struct Checkpoint {
    DiskImage image;  // removed with this, unless it was left to the next daemon
    absl::Time created;
    uint64_t bytes = 0;
  };
  struct Entry {
    CreateOptions options;
    absl::Time created;
    std::shared_ptr<Sandbox> sandbox;  // null while it is being created
    std::optional<SnapshotInfo> snapshot;
    std::string image_digest;
    std::map<std::string, std::shared_ptr<Checkpoint>> checkpoints = {};
    // Held by whoever takes, restores or deletes a checkpoint, and by who deletes the sandbox.
    std::shared_ptr<TimedTurn> turn = std::make_shared<TimedTurn>();
    // Held by who replaces its egress policy, and while it begins anew.
    std::shared_ptr<TimedTurn> egress_turn = std::make_shared<TimedTurn>();
    std::string egress_etag = {};  // of EgressInForce: not worked out anew for each list
  };

  // A request id is its owner's own: others may use the same and learn nothing of it.
  using RequestKey = std::pair<std::string, std::string>;
  static RequestKey KeyOf(const CreateOptions& options) {
    return {options.owner, options.request_id};
  }

  // Reserves a new id; or finds the entry of an earlier request with the same request id.
  struct Admission {
    std::string id;
    bool is_new = false;
  };
  enum class Making { kCreate, kFork };
  absl::StatusOr<Admission> Admit(const CreateOptions& options, const ForkQuota& quota,
                                  Making making) ABSL_LOCKS_EXCLUDED(mutex_);
  // After an admission that was new: keeps what was made, or forgets it.
  absl::StatusOr<SandboxInfo> Settle(const std::string& id, const CreateOptions& options,
                                     absl::StatusOr<Entry> made, Making making)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckOwnersShare(const std::string& owner, uint64_t owner_max) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<SandboxInfo> WaitForTwin(const CreateOptions& options, const std::string& id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Everything that takes time; fills sandbox and snapshot.
  absl::StatusOr<Entry> Assemble(const std::string& id, const CreateOptions& options);
  absl::Status LeaseCaches(CreateOptions* options, SandboxBlueprint* blueprint);
  absl::Status LeaseCachesAgain(const std::vector<CacheMount>& caches,
                                SandboxBlueprint* blueprint) const;
  static bool IsSameRequest(CreateOptions asked, const CreateOptions& made);
  absl::Status Record(const Entry& entry) const;
  absl::Status RecordOrEnd(const Entry& entry) const;
  absl::Status CheckOptions(const CreateOptions& options) const;
  absl::Status CheckEgress(const EgressPolicy& policy) const;
  // Of a policy that is asked for: one in force goes on without those that are gone.
  absl::Status CheckSecrets(const EgressPolicy& policy, const std::string& owner) const;
  void OpenLog(const std::string& id, const CreateOptions& options) const;
  // Null, the deps' own, when no tiers were configured.
  absl::StatusOr<const SeccompPrograms*> FiltersOf(std::optional<SeccompTier> asked) const;
  // Of the programs that a sandbox made now gets; "" when no tiers were configured.
  std::string DigestInForce(SeccompTier tier) const;
  struct Child {
    CreateOptions options;
    Admission admission;
    size_t index = 0;  // of the answer
  };
  absl::StatusOr<Entry> CopyEntry(absl::string_view id, const Viewer& viewer) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Entry> AssembleChild(const Child& child, const Entry& parent,
                                      absl::StatusOr<DiskImage> image) const;
  void MakeChildren(const std::vector<Child>& children, const Entry& parent, DiskImage image,
                    ForkOutcome* outcome) ABSL_LOCKS_EXCLUDED(mutex_);
  struct GitInput;
  absl::StatusOr<std::unique_ptr<GitInput>> MakeGitInput() const;
  absl::StatusOr<GitBase> GitBaseOf(const Entry& entry) const;
  absl::Status KeepCommit(const std::string& sandbox_id, const KeptBranch& branch,
                          const GitOutput& bundle) ABSL_LOCKS_EXCLUDED(commits_mutex_);
  // No file: it keeps no such commit.
  absl::StatusOr<ExportedCommits> ExportKept(const Entry& entry, GitBase base,
                                             const ExportOptions& options)
      ABSL_LOCKS_EXCLUDED(commits_mutex_);
  void ForgetCommits(const std::string& sandbox_id) ABSL_LOCKS_EXCLUDED(commits_mutex_);
  // Counted among what Shutdown waits for; UNAVAILABLE when that has begun.
  absl::Status BeginCopying() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndCopying() ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsGone(absl::string_view id) const ABSL_LOCKS_EXCLUDED(mutex_);
  class CheckpointTurn;  // to take or restore checkpoints of one sandbox
  absl::StatusOr<std::shared_ptr<Sandbox>> RestoreFrom(const Entry& entry,
                                                       const Checkpoint& checkpoint) const;
  void AdoptCheckpoints(const std::vector<CheckpointRow>& rows, AdoptionReport* report)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Entry> AdoptOne(SandboxTraces traces, const LoopDevices& devices);
  void SweepNames(const std::string& directory, AdoptionReport* report) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  static SandboxInfo Describe(const Entry& entry);
  // Null when there is none that `viewer` sees.
  const Entry* FindEntry(const Viewer& viewer, absl::string_view id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckImportPath(const std::string& path) const;
  // The tree of a captured disk and the layers below it, on one disk.
  absl::StatusOr<std::unique_ptr<Disk>> Flatten(const Disk& top, const std::vector<Layer>& below);
  // Before something is put into the store: what takes too much room goes.
  absl::Status CheckStoreRoom();
  // After: others go for it, or else it goes itself, unless it was there before `begin`.
  absl::Status FitIntoBudget(const SnapshotInfo& made, absl::Time begin);
  absl::Status StoreFull(const StoreUse& use) const;
  // The snapshot of a repository, with a lease: nobody removes it in between.
  absl::StatusOr<SnapshotInfo> ImportAndLease(const RepositorySource& source,
                                              std::vector<Layer>* layers);

  const SandboxDeps deps_;
  std::string boot_id_;  // set by Adopt
  SnapshotStore* const snapshots_;
  ImageStore* const images_;
  const ManagerLimits limits_;
  const std::map<SeccompTier, std::string> seccomp_digests_;
  CacheBook caches_;
  SandboxWorkerRunner workers_;
  GitImporter git_importer_;
  TreeImporter tree_importer_;
  UploadImporter upload_importer_;
  OciImporter oci_importer_;
  GitWork git_work_;

  absl::Mutex commits_mutex_;  // of what is below deps_.commits_directory; before mutex_

  mutable absl::Mutex mutex_;
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  uint32_t creating_ ABSL_GUARDED_BY(mutex_) = 0;
  // Children of forks that are admitted and not settled; checkpoints that are taken or restored.
  uint32_t copying_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<RequestKey, std::string> by_request_ ABSL_GUARDED_BY(mutex_);  // -> sandbox id
  ManagerCounts counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace glovebox

#endif  // GLOVEBOX_SANDBOX_SANDBOX_MANAGER_H_

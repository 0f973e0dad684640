#include "sandbox/sandbox_manager.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "policy/payload_profile.h"
#include "sandbox/cache_mounts.h"
#include "sandbox/egress_json.h"
#include "sandbox/sandbox_errors.h"
#include "sandbox/secret_book.h"

namespace glovebox {
namespace {

// Links resolved, so that a path outside of import_roots is refused before anything of it is told.
// What the path leads to when it is opened is asked about once more. A path that cannot be resolved
// stays as it is: the importer knows the right words for it.
std::string ResolveImportPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr),
                                                             &std::free);
  return resolved == nullptr ? path : std::string(resolved.get());
}

std::map<SeccompTier, std::string> DigestsOf(const ManagerLimits& limits) {
  std::map<SeccompTier, std::string> digests;
  for (const SeccompPrograms* programs : limits.seccomp_tiers) {
    digests[programs->tier] = SeccompDigest(programs->tier);
  }
  return digests;
}

// Before anything of it is torn down: what has no record is removed by the next daemon. When the
// state directory cannot be written, deleting is what makes room, so it goes on without.
void Forget(StateDb* state, const std::string& id) {
  if (state == nullptr || state->EraseSandbox(id).ok()) return;
  state->EraseSandboxBehind(id);
}

// A worker sandbox is worth nothing without the call that it works for: no daemon takes it over.
SandboxDeps WithoutRecords(SandboxDeps deps) {
  deps.state = nullptr;
  deps.output_directory.clear();
  return deps;
}

std::vector<std::string> TextsOf(const std::vector<IpRange>& ranges) {
  std::vector<std::string> texts;
  texts.reserve(ranges.size());
  for (const IpRange& range : ranges) texts.push_back(range.Text());
  return texts;
}

}  // namespace

SandboxManager::SandboxManager(SandboxDeps deps, SnapshotStore* snapshots, ImageStore* images,
                               ManagerLimits limits)
    : deps_(std::move(deps)),
      snapshots_(snapshots),
      images_(images),
      limits_(std::move(limits)),
      seccomp_digests_(DigestsOf(limits_)),
      caches_(snapshots_, deps_.state, deps_.clock),
      workers_(WithoutRecords(deps_), images_, TextsOf(limits_.egress_private_ranges)),
      git_importer_(snapshots_, &workers_, ImportLimits{}),
      tree_importer_(snapshots_, {&workers_, deps_.importer, ImportLimits{}}),
      upload_importer_(snapshots_, {&workers_, deps_.importer, ImportLimits{}}),
      oci_importer_(images_, {&workers_, deps_.importer, ImportLimits{}}),
      git_work_(&workers_) {}

SandboxManager::~SandboxManager() {
  (void)Shutdown(deps_.state == nullptr ? OnShutdown::kEnd : OnShutdown::kLeave);
}

absl::Status SandboxManager::CheckOwnersShare(const std::string& owner, uint64_t owner_max) const {
  if (owner_max >= limits_.sandboxes_max) return absl::OkStatus();
  const auto count = std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return entry.second.options.owner == owner;
  });
  if (static_cast<uint64_t>(count) < owner_max) return absl::OkStatus();
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("this client has ", count, " sandboxes and may have ", owner_max,
                   " (client_quota.sandboxes_max); delete some"),
      {"CLIENT_QUOTA", {{"quota", "sandboxes_max"}, {"limit", absl::StrCat(owner_max)}}});
}

absl::Status SandboxManager::CheckOptions(const CreateOptions& options) const {
  if (!options.snapshot.empty() && options.repository.has_value()) {
    return DetailedError(absl::StatusCode::kInvalidArgument,
                         "a sandbox starts from a snapshot or a repository, not both",
                         {"INVALID_FIELD", {}});
  }
  bool fits = options.labels.size() <= kLabelsMax;
  for (const auto& [key, value] : options.labels) {
    fits = fits && !key.empty() && key.size() <= kLabelKeyBytesMax &&
           value.size() <= kLabelValueBytesMax;
  }
  if (!fits) {
    return DetailedError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat("at most ", kLabelsMax, " labels with keys of at most ", kLabelKeyBytesMax,
                     " and values of at most ", kLabelValueBytesMax, " bytes"),
        {"INVALID_FIELD", {}});
  }
  RETURN_IF_ERROR(CheckCacheMounts(options.caches));
  RETURN_IF_ERROR(CheckEgress(options.egress));
  return Validate(options.limits);
}

absl::StatusOr<const SeccompPrograms*> SandboxManager::FiltersOf(
    std::optional<SeccompTier> asked) const {
  const SeccompTier tier = asked.value_or(limits_.seccomp_default);
  std::vector<absl::string_view> allowed;
  for (const SeccompPrograms* programs : limits_.seccomp_tiers) {
    if (programs->tier == tier) return programs;
    allowed.push_back(SeccompTierName(programs->tier));
  }
  if (allowed.empty() && tier == limits_.seccomp_default) return nullptr;
  const std::string names = absl::StrJoin(allowed, ", ");
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("this node does not allow the system call tier \"", SeccompTierName(tier),
                   "\"; it allows: ", names, " (seccomp.tiers in its configuration)"),
      {"SECCOMP_TIER_NOT_ALLOWED", {{"tier", SeccompTierName(tier)}, {"allowed", names}}});
}

std::string SandboxManager::DigestInForce(SeccompTier tier) const {
  const auto digest = seccomp_digests_.find(tier);
  return digest == seccomp_digests_.end() ? "" : digest->second;
}

absl::StatusOr<SandboxManager::Admission> SandboxManager::Admit(const CreateOptions& options,
                                                                const ForkQuota& quota,
                                                                Making making) {
  absl::MutexLock lock(&mutex_);
  if (shutting_down_) {
    return DetailedError(absl::StatusCode::kUnavailable, "the daemon is shutting down",
                         {"SHUTTING_DOWN", {}});
  }
  if (!options.request_id.empty()) {
    if (auto it = by_request_.find(KeyOf(options)); it != by_request_.end()) {
      return Admission{it->second, false};
    }
  }
  // Of a fork's children few are made at a time, however many they are.
  const bool too_many_at_once =
      making == Making::kCreate && creating_ >= limits_.creates_at_once_max;
  if (entries_.size() >= limits_.sandboxes_max || too_many_at_once) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         absl::StrCat("the host is full: ", entries_.size(), " sandboxes of ",
                                      limits_.sandboxes_max, ", ", creating_, " being made"),
                         {"HOST_FULL", {{"limit", absl::StrCat(limits_.sandboxes_max)}}});
  }
  RETURN_IF_ERROR(CheckOwnersShare(options.owner, quota.owner_max));
  if (quota.another != nullptr) RETURN_IF_ERROR(quota.another());
  const std::string id = NewRandomId();
  entries_[id] = Entry{options, deps_.clock->Now(), nullptr, {}, ""};
  if (!options.request_id.empty()) by_request_[KeyOf(options)] = id;
  ++(making == Making::kCreate ? creating_ : copying_);
  return Admission{id, true};
}

absl::StatusOr<SandboxInfo> SandboxManager::WaitForTwin(const CreateOptions& options,
                                                        const std::string& id) {
  absl::MutexLock lock(&mutex_);
  const auto settled = [this, &id]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto it = entries_.find(id);
    return it == entries_.end() || it->second.sandbox != nullptr;
  };
  mutex_.Await(absl::Condition(&settled));
  auto it = entries_.find(id);
  if (it == entries_.end()) {
    return DetailedError(absl::StatusCode::kAborted,
                         "the request with the same id failed; send it again", {"TWIN_FAILED", {}});
  }
  if (!IsSameRequest(options, it->second.options)) {
    return DetailedError(absl::StatusCode::kAlreadyExists,
                         absl::StrCat("request id \"", EscapeForPeople(options.request_id, 80),
                                      "\" came before with another request"),
                         {"REQUEST_ID_REUSED", {}});
  }
  return Describe(it->second);
}

SandboxInfo SandboxManager::Describe(const Entry& entry) {
  SandboxInfo info;
  info.owner = entry.options.owner;
  info.created = entry.created;
  info.image = entry.options.image;
  info.caches = entry.options.caches;
  info.labels = entry.options.labels;
  info.limits = entry.options.limits;
  info.root_inside = entry.options.root_inside;
  info.parent = entry.options.parent;
  info.seccomp = entry.options.seccomp.value_or(kDefaultSeccompTier);  // decided at creation
  info.seccomp_digest = entry.options.seccomp_digest;
  info.egress = EgressInForce(entry.options);
  info.egress_etag = entry.egress_etag;
  if (entry.snapshot.has_value()) {
    info.snapshot = entry.snapshot->digest;
    info.commit = entry.snapshot->commit;
    info.source = entry.snapshot->source;
  }
  if (entry.sandbox != nullptr) {
    info.id = entry.sandbox->id();
    info.state = entry.sandbox->state();
    info.stop_reason = entry.sandbox->stop_reason();
    info.workdir = entry.sandbox->workdir();
  }
  return info;
}

absl::StatusOr<SandboxManager::Entry> SandboxManager::Assemble(const std::string& id,
                                                               const CreateOptions& options) {
  // Not before it is known that this is no retry: what is made goes on when a secret is gone.
  RETURN_IF_ERROR(CheckSecrets(options.egress, options.owner));
  Entry entry{options, deps_.clock->Now(), nullptr, {}, ""};
  SandboxBlueprint blueprint;
  blueprint.id = id;
  blueprint.owner = options.owner;
  blueprint.limits = options.limits;
  blueprint.root_inside = options.root_inside;
  blueprint.way_out = options.egress.mode != EgressMode::kNone;
  blueprint.egress = EgressInForce(options);
  ASSIGN_OR_RETURN(blueprint.filters, FiltersOf(options.seccomp));
  blueprint.workdir = kCommandHome;
  ASSIGN_OR_RETURN(blueprint.image, images_->Lease(options.image));
  ASSIGN_OR_RETURN(const ImageInfo image, images_->Find(options.image));
  entry.image_digest = image.digest;
  if (!image.parts.config.workdir.empty()) blueprint.workdir = image.parts.config.workdir;
  if (options.repository.has_value()) {
    ASSIGN_OR_RETURN(entry.snapshot, ImportAndLease(*options.repository, &blueprint.snapshot));
  } else if (!options.snapshot.empty()) {
    ASSIGN_OR_RETURN(entry.snapshot, snapshots_->Find(options.snapshot));
    ASSIGN_OR_RETURN(blueprint.snapshot, snapshots_->Lease(options.snapshot));
  }
  if (entry.snapshot.has_value()) blueprint.workdir = kWorkspace;
  RETURN_IF_ERROR(LeaseCaches(&entry.options, &blueprint));
  ASSIGN_OR_RETURN(entry.sandbox, Sandbox::Start(deps_, std::move(blueprint)));
  RETURN_IF_ERROR(RecordOrEnd(entry));
  entry.egress_etag = EgressEtag(EgressInForce(options));
  return entry;
}

// From here on it outlives this daemon; before, the next one would sweep it away.
absl::Status SandboxManager::RecordOrEnd(const Entry& entry) const {
  absl::Status recorded = Record(entry);
  // The record's failure is what matters.
  if (!recorded.ok()) (void)entry.sandbox->End(Sandbox::CleanUp::kQueue);
  return recorded;
}

absl::Status SandboxManager::Record(const Entry& entry) const {
  if (deps_.state == nullptr) return absl::OkStatus();
  SandboxRow row;
  entry.sandbox->Describe(&row);
  row.boot_id = boot_id_;
  row.created = entry.created;
  row.options = entry.options;
  row.image_digest = entry.image_digest;
  if (entry.snapshot.has_value()) row.snapshot_digest = entry.snapshot->digest;
  return deps_.state->PutSandbox(row);
}

absl::StatusOr<SandboxInfo> SandboxManager::Create(const CreateOptions& asked, uint64_t owner_max) {
  RETURN_IF_ERROR(CheckOptions(asked));
  CreateOptions options = asked;
  // Decided now, so that a later default changes no sandbox that is there.
  if (!options.seccomp.has_value()) options.seccomp = limits_.seccomp_default;
  RETURN_IF_ERROR(FiltersOf(options.seccomp).status());
  options.seccomp_digest = DigestInForce(*options.seccomp);
  ASSIGN_OR_RETURN(const Admission admission,
                   Admit(options, {owner_max, nullptr}, Making::kCreate));
  if (!admission.is_new) return WaitForTwin(options, admission.id);
  return Settle(admission.id, options, Assemble(admission.id, options), Making::kCreate);
}

absl::StatusOr<SandboxInfo> SandboxManager::Settle(const std::string& id,
                                                   const CreateOptions& options,
                                                   absl::StatusOr<Entry> made, Making making) {
  absl::MutexLock lock(&mutex_);
  --(making == Making::kCreate ? creating_ : copying_);
  if (!made.ok()) {
    ++counts_.create_failed_total;
    entries_.erase(id);
    by_request_.erase(KeyOf(options));
    return made.status();
  }
  ++counts_.created_total;
  OpenLog(id, options);
  Entry& entry = entries_[id];
  entry = *std::move(made);
  return Describe(entry);
}

const SandboxManager::Entry* SandboxManager::FindEntry(const Viewer& viewer,
                                                       absl::string_view id) const {
  const auto it = entries_.find(std::string(id));
  if (it == entries_.end() || it->second.sandbox == nullptr) return nullptr;
  return viewer.Sees(it->second.options.owner) ? &it->second : nullptr;
}

absl::Status SandboxManager::Missing(absl::string_view id) const {
  return shutting_down_ ? ShuttingDown() : SandboxNotFound(id);
}

absl::StatusOr<std::shared_ptr<Sandbox>> SandboxManager::Find(absl::string_view id,
                                                              const Viewer& viewer) const {
  absl::MutexLock lock(&mutex_);
  const Entry* entry = FindEntry(viewer, id);
  if (entry == nullptr) return Missing(id);
  return entry->sandbox;
}

absl::StatusOr<SandboxInfo> SandboxManager::Get(absl::string_view id, const Viewer& viewer) const {
  absl::MutexLock lock(&mutex_);
  const Entry* entry = FindEntry(viewer, id);
  if (entry == nullptr) return Missing(id);
  return Describe(*entry);
}

absl::StatusOr<SandboxInfo> SandboxManager::Pause(absl::string_view id, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Sandbox> sandbox, Find(id, viewer));
  RETURN_IF_ERROR(sandbox->Pause());
  return Get(id, viewer);
}

absl::StatusOr<SandboxInfo> SandboxManager::Resume(absl::string_view id, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Sandbox> sandbox, Find(id, viewer));
  RETURN_IF_ERROR(sandbox->Resume());
  return Get(id, viewer);
}

std::vector<SandboxInfo> SandboxManager::List(const Viewer& viewer) const {
  std::vector<SandboxInfo> infos;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, entry] : entries_) {
      const bool seen = entry.sandbox != nullptr && viewer.Sees(entry.options.owner);
      if (seen) infos.push_back(Describe(entry));
    }
  }
  std::sort(infos.begin(), infos.end(), [](const SandboxInfo& a, const SandboxInfo& b) {
    return std::tie(a.created, a.id) < std::tie(b.created, b.id);
  });
  return infos;
}

uint32_t SandboxManager::CountOpenExecs(const Viewer& viewer) const {
  absl::MutexLock lock(&mutex_);
  size_t count = 0;
  for (const auto& [id, entry] : entries_) {
    const bool seen = entry.sandbox != nullptr && viewer.Sees(entry.options.owner);
    count += seen ? entry.sandbox->open_execs() : 0;
  }
  return static_cast<uint32_t>(count);
}

absl::Status SandboxManager::Delete(absl::string_view id, Sandbox::CleanUp clean_up,
                                    const Viewer& viewer) {
  Entry gone;
  {
    absl::MutexLock lock(&mutex_);
    const Entry* entry = FindEntry(viewer, id);
    if (entry == nullptr) return Missing(id);
    gone = *entry;
    by_request_.erase(KeyOf(entry->options));
    entries_.erase(entries_.find(id));
    ++counts_.deleted_total;
  }
  Forget(deps_.state, gone.sandbox->id());
  if (deps_.connections != nullptr) deps_.connections->Close(gone.sandbox->id());
  gone.sandbox->GiveUpCopies();
  // A checkpoint that is being restored has made another sandbox of this one, which it ends itself
  // as the entry is gone.
  (void)gone.turn->Take(absl::InfiniteDuration());
  const absl::Cleanup given = [&] { gone.turn->Give(); };
  gone.checkpoints.clear();
  ForgetCommits(gone.sandbox->id());
  return gone.sandbox->End(clean_up);
}

absl::Status SandboxManager::CheckImportPath(const std::string& path) const {
  for (const std::string& root : limits_.import_roots) {
    if (root == "/" || path == root || absl::StartsWith(path, absl::StrCat(root, "/"))) {
      return absl::OkStatus();
    }
  }
  return DetailedError(
      absl::StatusCode::kPermissionDenied,
      absl::StrCat("importing from ", EscapeForPeople(path, 200),
                   " is not allowed by the daemon's import_roots"),
      {"HOST_PATH_NOT_ALLOWED", {{"remedy", "move it below an import root, or have one added"}}});
}

absl::StatusOr<SnapshotInfo> SandboxManager::ImportRepository(
    const RepositorySource& source, const ImportProgressCallback& progress) {
  const std::string path = ResolveImportPath(source.path);
  RETURN_IF_ERROR(CheckImportPath(path));
  const auto allowed = [this](const std::string& opened) { return CheckImportPath(opened); };
  const absl::Time begin = deps_.clock->Now();
  const auto room = [this] { return CheckStoreRoom(); };
  ASSIGN_OR_RETURN(
      SnapshotInfo info,
      git_importer_.Import({path, source.revision, allowed, source.history, room}, progress));
  RETURN_IF_ERROR(FitIntoBudget(info, begin));
  return info;
}

absl::StatusOr<SnapshotInfo> SandboxManager::ImportRemote(const RemoteSource& source,
                                                          const std::string& owner,
                                                          const ImportProgressCallback& progress,
                                                          const std::function<bool()>& gone) {
  const RepositoryUrl& url = source.url;
  const bool https = url.scheme == RepositoryUrl::Scheme::kHttps;
  ImportRequest request{.path = url.text, .revision = source.revision, .history = source.history};
  request.remote = RemoteRepository{{url.host.value(), url.port, https}, https ? "https" : "git"};
  if (!source.secret_name.empty()) {
    if (deps_.secrets != nullptr) {
      RETURN_IF_ERROR(deps_.secrets->CheckThere(owner, source.secret_name));
    }
    request.remote->reach.secret_name = source.secret_name;
    request.remote->reach.user = source.user;
    request.remote->reach.owner = owner;
  }
  request.room = [this] { return CheckStoreRoom(); };
  request.gone = gone;
  const absl::Time begin = deps_.clock->Now();
  ASSIGN_OR_RETURN(SnapshotInfo info, git_importer_.Import(request, progress));
  RETURN_IF_ERROR(FitIntoBudget(info, begin));
  return info;
}

absl::StatusOr<SnapshotInfo> SandboxManager::ImportTree(TreeImportRequest::Kind kind,
                                                        const std::string& path,
                                                        const ImportProgressCallback& progress) {
  const std::string resolved = ResolveImportPath(path);
  RETURN_IF_ERROR(CheckImportPath(resolved));
  const auto allowed = [this](const std::string& opened) { return CheckImportPath(opened); };
  const absl::Time begin = deps_.clock->Now();
  RETURN_IF_ERROR(CheckStoreRoom());
  ASSIGN_OR_RETURN(SnapshotInfo info, tree_importer_.Import({kind, resolved, allowed}, progress));
  RETURN_IF_ERROR(FitIntoBudget(info, begin));
  return info;
}

absl::StatusOr<SnapshotInfo> SandboxManager::ImportUpload(const UploadImportRequest& request,
                                                          const ImportProgressCallback& progress) {
  const absl::Time begin = deps_.clock->Now();
  RETURN_IF_ERROR(CheckStoreRoom());
  ASSIGN_OR_RETURN(SnapshotInfo info, upload_importer_.Import(request, progress));
  RETURN_IF_ERROR(FitIntoBudget(info, begin));
  return info;
}

absl::StatusOr<ImageInfo> SandboxManager::ImportImage(const std::string& name,
                                                      const std::string& asked, bool is_directory) {
  const std::string path = ResolveImportPath(asked);
  RETURN_IF_ERROR(CheckImportPath(path));
  const auto allowed = [this](const std::string& opened) { return CheckImportPath(opened); };
  return glovebox::ImportImage(images_, &workers_, ImportLimits{},
                               {name, path, allowed, is_directory});
}

absl::StatusOr<ImageInfo> SandboxManager::ImportOci(const std::string& name,
                                                    const std::string& path,
                                                    const ImportProgressCallback& progress) {
  const std::string resolved = ResolveImportPath(path);
  RETURN_IF_ERROR(CheckImportPath(resolved));
  const auto allowed = [this](const std::string& opened) { return CheckImportPath(opened); };
  return oci_importer_.Import({name, resolved, allowed}, progress);
}

ManagerCounts SandboxManager::Counts() const {
  absl::MutexLock lock(&mutex_);
  ManagerCounts counts = counts_;
  counts.sandboxes = entries_.size();
  return counts;
}

size_t SandboxManager::Shutdown(OnShutdown what) {
  std::map<std::string, Entry, std::less<>> ending;
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
  }
  workers_.Stop();  // an import may take long; what waits for it fails
  {
    absl::MutexLock lock(&mutex_);
    // Creations that are under way finish first; their sandboxes end with the rest.
    const auto settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return creating_ == 0 && copying_ == 0;
    };
    mutex_.Await(absl::Condition(&settled));
    ending.swap(entries_);
    by_request_.clear();
    if (what == OnShutdown::kEnd) counts_.deleted_total += ending.size();
  }
  for (auto& [id, entry] : ending) {
    if (what == OnShutdown::kLeave) {
      entry.sandbox->Leave();
      for (const auto& [name, checkpoint] : entry.checkpoints) checkpoint->image.Leave();
      continue;
    }
    Forget(deps_.state, id);
    // What would not end is reported by the process that is left; nothing more can be done here.
    (void)entry.sandbox->End(Sandbox::CleanUp::kQueue);
  }
  return what == OnShutdown::kLeave ? ending.size() : 0;
}

}  // namespace glovebox

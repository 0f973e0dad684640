#include "snapshot/git_import.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "snapshot/git_answer.h"
#include "snapshot/git_remote_failure.h"
#include "snapshot/git_remote_script.h"
#include "snapshot/git_script.h"
#include "snapshot/git_settings.h"
#include "snapshot/import_progress.h"
#include "snapshot/import_source.h"
#include "snapshot/record_json.h"
#include "snapshot/single_flight.h"
#include "snapshot/worker_failure.h"
#include "snapshot/worker_tree.h"

namespace glovebox {
namespace {

constexpr char kMissing[] = "REPOSITORY_NOT_FOUND";
// The command user can write only in its home; the tree is moved to /workspace afterwards.
constexpr char kDestination[] = "/home/agent/workspace";
// Where the base of a delta shows it, and its owner can write.
constexpr char kBaseDestination[] = "/workspace";
constexpr size_t kKnownMax = 200;  // "COMMIT BRANCH" arguments

absl::Status ImportError(absl::StatusCode code, const std::string& reason,
                         const std::string& message, const std::string& remedy) {
  ErrorDetail detail{reason, {}};
  if (!remedy.empty()) detail.metadata["remedy"] = remedy;
  return DetailedError(code, message, detail);
}

// A snapshot of the same repository, held.
struct Base {
  SnapshotInfo info;
  std::vector<Layer> layers;
};

struct Wanted {
  const ImportSource& source;
  const std::string& revision;
  History history;
  const std::optional<RemoteRepository>& remote;
};

// With a secret another source: what it brought is neither known nor a base to who does not have
// it.
absl::StatusOr<ImportSource> SourceOf(const std::string& url, const WorkerReach& reach) {
  Sha256 key;
  key.UpdateField("remote");
  key.UpdateField(url);
  if (!reach.secret_name.empty()) {
    for (const std::string& part : {reach.owner, reach.secret_name, reach.user}) {
      key.UpdateField(part);
    }
  }
  return ImportSource{.path = url, .is_directory = true, .key = key.FinishHex(), .pinned = nullptr};
}

WorkerJob MakeJob(const Wanted& wanted, const Base* base, const std::vector<std::string>& known,
                  const ImportLimits& limits) {
  WorkerJob job;
  const ImportSource& source = wanted.source;
  const bool local = !wanted.remote.has_value();
  const std::string mounted = source.is_directory ? "/mnt" : "/mnt/source.bundle";
  const std::string target = local ? mounted : source.path;
  job.arguments = {"/bin/sh",
                   "-c",
                   absl::StrCat(kGitSettings, kGitImportBegin,
                                local ? kGitImportLocal : kGitImportRemote, kGitImportEnd),
                   "import",
                   target,
                   wanted.revision};
  job.arguments.insert(job.arguments.end(),
                       {base == nullptr ? kDestination : kBaseDestination,
                        HistoryName(wanted.history), base == nullptr ? "" : base->info.commit});
  if (base != nullptr) job.base = base->layers;
  job.arguments.insert(job.arguments.end(), known.begin(), known.end());
  job.environment = {"PATH=/usr/local/bin:/usr/bin:/bin",
                     "HOME=/home/agent",
                     "LC_ALL=C",
                     "TZ=UTC",
                     "GIT_CONFIG_NOSYSTEM=1",
                     "GIT_CONFIG_GLOBAL=/home/agent/.import-gitconfig",
                     "GIT_ATTR_NOSYSTEM=1",
                     "GIT_TERMINAL_PROMPT=0",
                     "GIT_ASKPASS=/bin/false",
                     "GIT_OPTIONAL_LOCKS=0",
                     "GIT_NO_LAZY_FETCH=1",
                     "GIT_NO_REPLACE_OBJECTS=1"};
  if (local) {
    job.binds = {{source.path, target, source.pinned}};
  } else {
    job.environment.push_back(absl::StrCat("GIT_ALLOW_PROTOCOL=", wanted.remote->protocol));
    job.reach = wanted.remote->reach;
  }
  job.disk_bytes = limits.disk_bytes;
  job.disk_inodes = limits.disk_inodes;
  job.memory_bytes = limits.memory_bytes;
  job.wall_limit = limits.wall_limit;
  return job;
}

absl::Status GitFailure(const WorkerResult& result, const ImportSource& source,
                        const std::string& revision) {
  const std::string words = LastWords(result.stderr_tail);
  switch (result.exit_code) {
    case kGitMissing:
      return HostToolMissing("git");
    case kGitNotARepository:
      return ImportError(absl::StatusCode::kNotFound, kMissing,
                         absl::StrCat(source.path, " is neither a git repository nor a bundle"),
                         "give the repository's directory or a file made by git bundle");
    case kGitNoSuchCommit:
      return ImportError(absl::StatusCode::kNotFound, "COMMIT_NOT_FOUND",
                         absl::StrCat(source.path, " has no commit \"", revision, "\""),
                         "give a branch, a tag or a commit id that the repository has");
    case kGitUnsupported:
      return ImportError(absl::StatusCode::kFailedPrecondition, "REPOSITORY_UNSUPPORTED",
                         absl::StrCat(source.path, ": ", words), "");
    default:
      return ImportError(absl::StatusCode::kFailedPrecondition, "REPOSITORY_INVALID",
                         absl::StrCat(source.path, ": git ended with ", result.exit_code,
                                      words.empty() ? "" : ": ", words),
                         "run git fsck in the repository");
  }
}

// What the worker had is found by this path and key later: they must still be of one another.
absl::Status CheckIsStill(const ImportSource& source, const std::string& path) {
  ASSIGN_OR_RETURN(const ImportSource now, IdentifySource(path, kMissing));
  if (now.key == source.key) return absl::OkStatus();
  return ImportError(absl::StatusCode::kAborted, "REPOSITORY_REPLACED",
                     absl::StrCat(path, " was replaced during the import"), "import it again");
}

}  // namespace

struct GitImporter::State {
  SnapshotStore* store = nullptr;
  WorkerRunner* runner = nullptr;
  ImportLimits limits;
  SingleFlight<SnapshotInfo> flights;

  // "COMMIT BRANCH" of what the store has of this source, newest first.
  std::vector<std::string> Known(const Wanted& wanted) const {
    std::vector<std::string> known;
    for (const SnapshotInfo& info : store->List()) {
      if (info.source_key != wanted.source.key || info.history != wanted.history) continue;
      known.push_back(absl::StrCat(info.commit, " ", info.branch));
      if (known.size() == kKnownMax) break;
    }
    return known;
  }

  // The newest snapshot of the repository, unless it has all the layers that it may have.
  std::optional<Base> FindBase(const Wanted& wanted) const {
    if (!wanted.source.is_directory || wanted.history != History::kFull) return std::nullopt;
    for (const SnapshotInfo& info : store->List()) {
      if (info.source_key != wanted.source.key || info.history != History::kFull) continue;
      if (info.layers >= SnapshotStore::kLayersMax) break;
      absl::StatusOr<std::vector<Layer>> layers = store->Lease(info.digest);
      if (!layers.ok()) break;  // without it all goes as if there were none
      return Base{info, *std::move(layers)};
    }
    return std::nullopt;
  }

  absl::StatusOr<SnapshotInfo> Run(const ImportRequest& request, const ImportSource& source,
                                   const std::string& revision,
                                   const ImportProgressCallback& progress,
                                   const std::function<bool()>& unwanted) {
    const Wanted wanted{source, revision, request.history, request.remote};
    if (const std::optional<Base> base = FindBase(wanted); base.has_value()) {
      ASSIGN_OR_RETURN(std::optional<SnapshotInfo> info,
                       Attempt(request, wanted, &*base, progress, unwanted));
      if (info.has_value()) return *std::move(info);
    }
    ASSIGN_OR_RETURN(std::optional<SnapshotInfo> info,
                     Attempt(request, wanted, nullptr, progress, unwanted));
    return *std::move(info);
  }

  // nullopt, only with a base: not over that one.
  absl::StatusOr<std::optional<SnapshotInfo>> Attempt(const ImportRequest& request,
                                                      const Wanted& wanted, const Base* base,
                                                      const ImportProgressCallback& progress,
                                                      const std::function<bool()>& unwanted) {
    const ImportSource& source = wanted.source;
    const std::vector<std::string> known = Known(wanted);
    // Else the revision may turn out to be one of these, which takes no room.
    if (known.empty() && request.room != nullptr) RETURN_IF_ERROR(request.room());
    WorkerJob job = MakeJob(wanted, base, known, limits);
    ImportProgressParser parser(progress);
    job.on_stderr = [&parser](absl::string_view bytes) { parser.Feed(bytes); };
    if (wanted.remote.has_value() && request.gone) job.unwanted = unwanted;
    ASSIGN_OR_RETURN(WorkerResult result, runner->Run(job));
    // Whole, it ends with what is to be said of the source.
    const bool ended_early = result.exit_code == kGitFailed || result.exit_code >= kGitNoDelta;
    if (base != nullptr && ended_early) return std::optional<SnapshotInfo>();
    RETURN_IF_ERROR(LimitFailure(result, limits, source.path));
    if (result.exit_code != 0) {
      return wanted.remote.has_value()
                 ? RemoteFailure(result, source.path, wanted.remote->reach, wanted.revision)
                 : GitFailure(result, source, wanted.revision);
    }
    ASSIGN_OR_RETURN(GitAnswer answer, ParseGitAnswer(result.stdout_bytes));
    answer.source.source = request.path;
    answer.source.source_key = source.key;
    answer.source.history = wanted.history;
    if (answer.known) {
      std::optional<SnapshotInfo> info = store->FindBySource(source.key, answer.source.commit,
                                                             answer.source.branch, wanted.history);
      if (info.has_value()) return info;
      return absl::AbortedError("the snapshot was deleted while it was looked up; try again");
    }
    if (!wanted.remote.has_value()) RETURN_IF_ERROR(CheckIsStill(source, request.path));
    progress({.phase = ImportPhase::kSealing});
    return Keep(std::move(result.disk), answer.source, base);
  }

  absl::StatusOr<std::optional<SnapshotInfo>> Keep(std::unique_ptr<Disk> disk,
                                                   const SnapshotSource& source,
                                                   const Base* base) const {
    if (base == nullptr) {
      RETURN_IF_ERROR(KeepWorkerTree(*disk, "home/agent/workspace", "workspace"));
      return store->Commit(std::move(disk), source);
    }
    RETURN_IF_ERROR(KeepWorkerTree(*disk, "workspace", "workspace"));
    absl::StatusOr<SnapshotInfo> info = store->Commit(std::move(disk), source, base->info.digest);
    // A base that is damaged keeps nobody from importing.
    if (absl::IsDataLoss(info.status())) return std::optional<SnapshotInfo>();
    return info;
  }
};

GitImporter::GitImporter(SnapshotStore* store, WorkerRunner* runner, ImportLimits limits)
    : state_(std::make_unique<State>()) {
  state_->store = store;
  state_->runner = runner;
  state_->limits = limits;
}

GitImporter::~GitImporter() = default;

int GitImporter::waiting() const { return state_->flights.waiting(); }

absl::StatusOr<SnapshotInfo> GitImporter::Import(const ImportRequest& request,
                                                 const ImportProgressCallback& progress) {
  ASSIGN_OR_RETURN(const std::string revision, ParseRevision(request.revision));
  ASSIGN_OR_RETURN(const ImportSource source,
                   request.remote.has_value()
                       ? SourceOf(request.path, request.remote->reach)
                       : IdentifySource(request.path, kMissing, request.allowed));
  if (IsLowerHex(revision, 40)) {
    const std::optional<SnapshotInfo> info =
        state_->store->FindBySource(source.key, revision, "", request.history);
    if (info.has_value()) return *info;
  }
  const ImportProgressCallback report = progress ? progress : [](const ImportProgress&) {};
  report({.phase = ImportPhase::kResolving});
  return state_->flights.Do(
      absl::StrCat(source.key, " ", HistoryName(request.history), " ", revision),
      [&](const std::function<bool()>& unwanted) {
        return state_->Run(request, source, revision, report, unwanted);
      },
      request.gone);
}

}  // namespace glovebox

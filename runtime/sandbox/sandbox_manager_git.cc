// Commits of what sandboxes changed, and exports of commits.
//
// The daemon reads the layers and writes a patch, as DiffSandbox does; git applies and commits it
// in a worker sandbox that sees the snapshot alone, so that nothing the sandbox wrote into its .git
// has a say. What results is kept below the state directory until the sandbox is deleted. A commit
// that the sandbox's own git made is exported by a worker that sees a copy of /workspace.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "base/status.h"
#include "changes/commit_patch.h"
#include "changes/patch_writer.h"
#include "changes/path_scope.h"
#include "changes/upper_scan.h"
#include "linux/file_io.h"
#include "linux/open_beneath.h"
#include "sandbox/sandbox_errors.h"
#include "sandbox/sandbox_manager.h"
#include "snapshot/record_json.h"
#include "snapshot/sealed_store.h"
#include "snapshot/workspace_capture.h"

namespace glovebox {
namespace {

constexpr char kRepository[] = "workspace";
constexpr size_t kCommitDigits = 40;
// git apply takes less than 1 GiB.
constexpr uint64_t kPatchBytesMax = uint64_t{900} << 20;
constexpr uint64_t kFileBytesMax = uint64_t{64} << 20;

absl::Status NoCommit(const char* why) {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("the sandbox ", why,
                                    "; create it from a repository with full or shallow history"),
                       {"NO_BASE", {}});
}

absl::Status NothingChanged() {
  return DetailedError(absl::StatusCode::kFailedPrecondition, "nothing has changed",
                       {"NOTHING_CHANGED", {}});
}

absl::Status Link(int file_fd, const std::string& path) {
  // The very file that was looked at: another may be in its place by now.
  const std::string from = absl::StrCat("/proc/self/fd/", file_fd);
  if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, "linkat of kept commits");
}

absl::Status WriteNew(const std::string& path, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600));
  return WriteAll(file.get(), bytes);
}

// The paths of the patch, as the commit script takes them.
absl::Status WritePathFiles(const PatchSummary& patch, const std::string& directory) {
  std::string removed;
  std::string written;
  for (const FileSummary& file : patch.files) {
    std::string& paths = file.letter == ChangeLetter::kDeleted ? removed : written;
    paths.append(file.path).push_back('\0');
  }
  RETURN_IF_ERROR(WriteNew(absl::StrCat(directory, "/removed"), removed));
  return WriteNew(absl::StrCat(directory, "/written"), written);
}

// Fills `outcome` but for the commit, and `directory` with what the commit script takes. True when
// there is anything in the patch.
absl::StatusOr<bool> WritePatchFiles(const Sandbox& sandbox, const std::vector<std::string>& paths,
                                     const std::string& directory, const Clock& clock,
                                     CommitOutcome* outcome) {
  ASSIGN_OR_RETURN(const SandboxFiles files, sandbox.OpenFiles());
  const Layers layers = files.View(kRepository);
  ASSIGN_OR_RETURN(ScanResult scan, ScanUpper(layers, ScanOptions{}, clock));
  KeepChangesOf(paths, &scan.changes);
  ASSIGN_OR_RETURN(const UniqueFd file,
                   OpenAt(AT_FDCWD, absl::StrCat(directory, "/patch"), O_WRONLY | O_CREAT, 0600));
  PatchLimits limits;
  limits.file_bytes_max = kFileBytesMax;
  limits.output_bytes_max = kPatchBytesMax;
  Sha256 digest;
  ASSIGN_OR_RETURN(outcome->patch, WriteCommitPatch(layers, scan.changes, limits, clock,
                                                    [&](absl::string_view piece) {
                                                      digest.Update(piece);
                                                      return WriteAll(file.get(), piece);
                                                    }));
  outcome->patch_digest = absl::StrCat("sha256:", digest.FinishHex());
  RETURN_IF_ERROR(WritePathFiles(outcome->patch, directory));
  return outcome->patch.output_bytes > 0;
}

}  // namespace

absl::StatusOr<std::string> ExportedCommits::Read(uint64_t offset, size_t bytes_max) const {
  std::string piece(std::min<uint64_t>(bytes_max, bytes - offset), '\0');
  ASSIGN_OR_RETURN(const size_t got,
                   ReadAt(output.file.get(), begin + offset, piece.data(), piece.size()));
  if (got == 0) return absl::DataLossError("an export became shorter while it was sent");
  piece.resize(got);
  return piece;
}

// A directory that a worker sees as /mnt, removed with this; the next daemon's start removes it,
// too.
struct SandboxManager::GitInput {
  std::string path;
  ~GitInput() { (void)RemoveTreeAt(AT_FDCWD, path); }
};

absl::StatusOr<std::unique_ptr<SandboxManager::GitInput>> SandboxManager::MakeGitInput() const {
  auto input = std::make_unique<GitInput>();
  input->path = absl::StrCat(deps_.commits_directory, "/input-", NewRandomId());
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, input->path, 0700));
  return input;
}

absl::StatusOr<GitBase> SandboxManager::GitBaseOf(const Entry& entry) const {
  if (deps_.commits_directory.empty()) return absl::InternalError("nothing is kept of commits");
  if (!entry.snapshot.has_value()) return NoCommit("was made without a snapshot");
  const SnapshotInfo& snapshot = *entry.snapshot;
  if (snapshot.commit.empty()) return NoCommit("was made of a tree that is no commit");
  if (snapshot.history == History::kNone) return NoCommit("has no history");
  return GitBase{entry.sandbox->blueprint().snapshot, snapshot.commit, snapshot.history};
}

absl::StatusOr<CommitOutcome> SandboxManager::CommitChanges(absl::string_view id,
                                                            const CommitOptions& options,
                                                            const Viewer& viewer) {
  ASSIGN_OR_RETURN(const Entry entry, CopyEntry(id, viewer));
  CommitOrder order;
  ASSIGN_OR_RETURN(order.base, GitBaseOf(entry));
  ASSIGN_OR_RETURN(const auto input, MakeGitInput());
  const BranchShelf shelf(deps_.commits_directory);
  const std::string& sandbox_id = entry.sandbox->id();
  KeptBranch kept{options.branch, order.base.commit, {}};
  {
    absl::MutexLock lock(&commits_mutex_);
    ASSIGN_OR_RETURN(std::vector<BranchShelf::Opened> all, shelf.List(sandbox_id));
    for (BranchShelf::Opened& one : all) {
      if (one.branch.branch != options.branch) continue;
      kept = std::move(one.branch);
      RETURN_IF_ERROR(Link(one.file.get(), absl::StrCat(input->path, "/kept")));
    }
  }
  if (!kept.commits.empty()) order.tip = kept.commits.back();
  CommitOutcome outcome;
  ASSIGN_OR_RETURN(const bool changed, WritePatchFiles(*entry.sandbox, options.paths, input->path,
                                                       *deps_.clock, &outcome));
  if (!changed && order.tip.empty()) return NothingChanged();
  order.input = input->path;
  order.branch = options.branch;
  order.message = options.message;
  order.name = options.name;
  order.email = options.email;
  order.unix_seconds = absl::ToUnixSeconds(options.time);
  order.paths = options.paths;
  ASSIGN_OR_RETURN(const CommitMade made, git_work_.Commit(order));
  outcome.commit = made.commit;
  outcome.files = made.files;
  outcome.lines_added = made.lines_added;
  outcome.lines_removed = made.lines_removed;
  if (!made.is_new) return outcome;
  kept.commits.push_back(made.commit);
  RETURN_IF_ERROR(KeepCommit(sandbox_id, kept, made.bundle));
  return outcome;
}

absl::Status SandboxManager::KeepCommit(const std::string& sandbox_id, const KeptBranch& branch,
                                        const GitOutput& bundle) {
  const BranchShelf shelf(deps_.commits_directory);
  // Gigabytes may be written, which nobody's DeleteSandbox waits for.
  ASSIGN_OR_RETURN(const auto input, MakeGitInput());
  const std::string fresh = absl::StrCat(input->path, "/fresh");
  RETURN_IF_ERROR(BranchShelf::Write(fresh, branch, bundle.file.get(), bundle.bytes));
  absl::MutexLock lock(&commits_mutex_);
  if (IsGone(sandbox_id)) return IsShuttingDown() ? ShuttingDown() : SandboxNotFound(sandbox_id);
  ASSIGN_OR_RETURN(const std::vector<BranchShelf::Opened> all, shelf.List(sandbox_id));
  for (const BranchShelf::Opened& one : all) {
    if (one.branch.branch != branch.branch) continue;
    // Another call was faster, perhaps with the same commit.
    if (one.branch.commits == branch.commits) return absl::OkStatus();
    if (one.branch.commits.size() >= branch.commits.size()) {
      return BranchMoved(branch.branch, one.branch.commits.back());
    }
  }
  return shelf.Keep(sandbox_id, branch, fresh, bundle.bytes);
}

void SandboxManager::ForgetCommits(const std::string& sandbox_id) {
  if (deps_.commits_directory.empty()) return;
  absl::MutexLock lock(&commits_mutex_);
  // What cannot be removed goes when the next daemon starts.
  (void)BranchShelf(deps_.commits_directory).Remove(sandbox_id);
}

absl::StatusOr<ExportedCommits> SandboxManager::ExportKept(const Entry& entry, GitBase base,
                                                           const ExportOptions& options) {
  const BranchShelf shelf(deps_.commits_directory);
  ASSIGN_OR_RETURN(const auto input, MakeGitInput());
  BranchShelf::Opened* found = nullptr;
  std::vector<BranchShelf::Opened> all;
  {
    absl::MutexLock lock(&commits_mutex_);
    ASSIGN_OR_RETURN(all, shelf.List(entry.sandbox->id()));
    for (BranchShelf::Opened& one : all) {
      const KeptBranch& branch = one.branch;
      if (branch.branch == options.commit || std::find(branch.commits.begin(), branch.commits.end(),
                                                       options.commit) != branch.commits.end()) {
        found = &one;
      }
    }
    // What is asked for has number 0; the others may have what is excluded.
    size_t number = 0;
    for (const BranchShelf::Opened& one : all) {
      const size_t own = &one == found ? 0 : ++number;
      RETURN_IF_ERROR(Link(one.file.get(), absl::StrCat(input->path, "/kept-", own)));
    }
  }
  ExportedCommits exported;
  if (found == nullptr) return exported;
  const bool tip =
      options.commit == found->branch.branch || options.commit == found->branch.commits.back();
  if (tip && !options.series && options.excluded.empty()) {
    exported.bytes = found->bundle_bytes;
    exported.begin = found->bundle_begin;
    exported.output.file = std::move(found->file);
    return exported;
  }
  ExportOrder order{std::move(base), input->path, options.commit, options.series, options.excluded};
  ASSIGN_OR_RETURN(exported.output, git_work_.Export(order));
  exported.bytes = exported.output.bytes;
  return exported;
}

absl::StatusOr<ExportedCommits> SandboxManager::ExportCommits(absl::string_view id,
                                                              const ExportOptions& options,
                                                              const Viewer& viewer) {
  ASSIGN_OR_RETURN(const Entry entry, CopyEntry(id, viewer));
  ASSIGN_OR_RETURN(GitBase base, GitBaseOf(entry));
  ASSIGN_OR_RETURN(ExportedCommits exported, ExportKept(entry, base, options));
  if (exported.output.file.valid()) return exported;
  if (!IsLowerHex(options.commit, kCommitDigits) && !CheckBranchName(options.commit).ok()) {
    return DetailedError(absl::StatusCode::kNotFound,
                         absl::StrCat("\"", EscapeForPeople(options.commit, 200),
                                      "\" is neither a full object name nor a branch"),
                         {"COMMIT_NOT_FOUND", {}});
  }
  ASSIGN_OR_RETURN(FilesCopy copy, entry.sandbox->CopyFiles([this] { return IsShuttingDown(); }));
  ASSIGN_OR_RETURN(const std::unique_ptr<Disk> disk, deps_.disks->Attach(std::move(copy.image)));
  RETURN_IF_ERROR(KeepWorkspace(*disk));
  base.layers.insert(base.layers.begin(), {nullptr, disk->mount_path(), SealedStore::kRoot});
  ExportOrder order{std::move(base), "", options.commit, options.series, options.excluded};
  ASSIGN_OR_RETURN(exported.output, git_work_.Export(order));
  exported.bytes = exported.output.bytes;
  return exported;
}

}  // namespace glovebox

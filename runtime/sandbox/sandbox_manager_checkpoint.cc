// Checkpoints: copies of a sandbox's disk, kept as images, to go back to in place.
//
// An image is removed unless its record was written, and a record goes before its image: a daemon
// that dies in between leaves an image without a record, which the next one sweeps away.
#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "sandbox/sandbox_errors.h"
#include "sandbox/sandbox_manager.h"

namespace glovebox {
namespace {

// Calls of one client hold few of the threads for copies, and an administrator's none for good.
constexpr absl::Duration kTurnTimeout = absl::Seconds(20);

absl::Status TakesLong() {
  return DetailedError(absl::StatusCode::kDeadlineExceeded,
                       "another checkpoint or rollback of this sandbox takes long; try again",
                       {"FREEZE_TIMED_OUT", {}});
}

absl::Status CheckpointNotFound(absl::string_view id) {
  return DetailedError(absl::StatusCode::kNotFound,
                       absl::StrCat("the sandbox has no checkpoint \"", id, "\""),
                       {"CHECKPOINT_NOT_FOUND", {}});
}

absl::Status TooMany() {
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the sandbox has ", kCheckpointsMax, " checkpoints; delete one first"),
      {"CHECKPOINT_LIMIT", {{"limit", absl::StrCat(kCheckpointsMax)}}});
}

}  // namespace

absl::Status SandboxManager::BeginCopying() {
  absl::MutexLock lock(&mutex_);
  if (shutting_down_) return ShuttingDown();
  ++copying_;
  return absl::OkStatus();
}

void SandboxManager::EndCopying() {
  absl::MutexLock lock(&mutex_);
  --copying_;
}

// Held by one caller at a time for each sandbox; Shutdown waits for it.
class SandboxManager::CheckpointTurn {
 public:
  static absl::StatusOr<std::unique_ptr<CheckpointTurn>> Take(SandboxManager* manager,
                                                              absl::string_view id,
                                                              const Viewer& viewer) {
    RETURN_IF_ERROR(manager->BeginCopying());
    std::unique_ptr<CheckpointTurn> turn(new CheckpointTurn(manager));
    ASSIGN_OR_RETURN(const Entry before, manager->CopyEntry(id, viewer));
    if (!before.turn->Take(kTurnTimeout)) return TakesLong();
    turn->held_ = before.turn;
    ASSIGN_OR_RETURN(turn->entry_, manager->CopyEntry(id, viewer));
    return turn;
  }
  ~CheckpointTurn() {
    if (held_ != nullptr) held_->Give();
    manager_->EndCopying();
  }
  CheckpointTurn(const CheckpointTurn&) = delete;
  CheckpointTurn& operator=(const CheckpointTurn&) = delete;

  const Entry& entry() const { return entry_; }  // as it was when the turn came

 private:
  explicit CheckpointTurn(SandboxManager* manager) : manager_(manager) {}
  SandboxManager* const manager_;
  std::shared_ptr<TimedTurn> held_;
  Entry entry_;
};

bool SandboxManager::IsGone(absl::string_view id) const {
  absl::MutexLock lock(&mutex_);
  return shutting_down_ || entries_.find(id) == entries_.end();
}

absl::StatusOr<CheckpointInfo> SandboxManager::TakeCheckpoint(absl::string_view id,
                                                              const std::string& asked,
                                                              const Viewer& viewer) {
  ASSIGN_OR_RETURN(const auto turn, CheckpointTurn::Take(this, id, viewer));
  const Entry& entry = turn->entry();
  const std::string name = asked.empty() ? NewRandomId() : asked;
  if (const auto it = entry.checkpoints.find(name); it != entry.checkpoints.end()) {
    return CheckpointInfo{name, it->second->created, it->second->bytes, std::nullopt};
  }
  if (entry.checkpoints.size() >= kCheckpointsMax) return TooMany();
  ASSIGN_OR_RETURN(FilesCopy copy, entry.sandbox->CopyFiles([this] { return IsShuttingDown(); }));
  ASSIGN_OR_RETURN(const uint64_t bytes, copy.image.BytesOnHost());
  const auto checkpoint =
      std::make_shared<Checkpoint>(Checkpoint{std::move(copy.image), deps_.clock->Now(), bytes});
  if (deps_.state != nullptr) {
    RETURN_IF_ERROR(deps_.state->PutCheckpoint(
        {std::string(id), name, checkpoint->created, checkpoint->image.name()}));
  }
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return Missing(id);  // deleted meanwhile, and its records
  it->second.checkpoints[name] = checkpoint;
  return CheckpointInfo{name, checkpoint->created, bytes, copy.frozen};
}

absl::StatusOr<std::vector<CheckpointInfo>> SandboxManager::ListCheckpoints(
    absl::string_view id, const Viewer& viewer) const {
  ASSIGN_OR_RETURN(const Entry entry, CopyEntry(id, viewer));
  std::vector<CheckpointInfo> list;
  for (const auto& [name, checkpoint] : entry.checkpoints) {
    list.push_back({name, checkpoint->created, checkpoint->bytes, std::nullopt});
  }
  std::sort(list.begin(), list.end(), [](const CheckpointInfo& a, const CheckpointInfo& b) {
    return std::tie(a.created, a.id) < std::tie(b.created, b.id);
  });
  return list;
}

// Waits for nobody: one that is being taken is not there yet, one that is being restored stays
// until that is done with it.
absl::Status SandboxManager::DeleteCheckpoint(absl::string_view id, const std::string& name,
                                              const Viewer& viewer) {
  ASSIGN_OR_RETURN(const Entry entry, CopyEntry(id, viewer));
  if (!entry.checkpoints.contains(name)) return CheckpointNotFound(name);
  if (deps_.state != nullptr) {
    RETURN_IF_ERROR(deps_.state->EraseCheckpoint(std::string(id), name));
  }
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(id);
  if (it != entries_.end()) it->second.checkpoints.erase(name);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Sandbox>> SandboxManager::RestoreFrom(
    const Entry& entry, const Checkpoint& checkpoint) const {
  SandboxBlueprint blueprint = entry.sandbox->blueprint();
  ASSIGN_OR_RETURN(blueprint.filters, FiltersOf(entry.options.seccomp));
  // Those of now, which may be of a later release than the sandbox was.
  blueprint.seccomp_digest = DigestInForce(entry.options.seccomp.value_or(limits_.seccomp_default));
  const std::string& id = entry.sandbox->id();
  // What can fail comes before anything ends. A sandbox whose layers were not there when this
  // daemon took it over holds none.
  ASSIGN_OR_RETURN(blueprint.image, images_->LeaseAgain(entry.options.image, entry.image_digest));
  if (entry.snapshot.has_value()) {
    ASSIGN_OR_RETURN(blueprint.snapshot, snapshots_->Lease(entry.snapshot->digest));
  }
  blueprint.egress = EgressInForce(entry.options);
  blueprint.caches.clear();
  RETURN_IF_ERROR(LeaseCachesAgain(entry.options.caches, &blueprint));
  absl::StatusOr<DiskImage> image =
      deps_.disks->Duplicate(checkpoint.image, [&] { return IsGone(id); });
  if (!image.ok() && IsGone(id)) return IsShuttingDown() ? ShuttingDown() : SandboxNotFound(id);
  RETURN_IF_ERROR(image.status());
  ASSIGN_OR_RETURN(std::unique_ptr<Disk> disk, deps_.disks->Attach(*std::move(image)));
  return entry.sandbox->BeginAnew(std::move(blueprint), std::move(disk));
}

absl::StatusOr<SandboxInfo> SandboxManager::RestoreCheckpoint(absl::string_view id,
                                                              const std::string& name,
                                                              const Viewer& viewer) {
  ASSIGN_OR_RETURN(const auto turn, CheckpointTurn::Take(this, id, viewer));
  const Entry& entry = turn->entry();
  const auto found = entry.checkpoints.find(name);
  if (found == entry.checkpoints.end()) return CheckpointNotFound(name);
  // It begins with the policy that is in force then, and nobody replaces that meanwhile.
  if (!entry.egress_turn->Take(kTurnTimeout)) return TakesLong();
  const absl::Cleanup given = [&] { entry.egress_turn->Give(); };
  ASSIGN_OR_RETURN(const Entry now, CopyEntry(id, viewer));
  ASSIGN_OR_RETURN(const std::shared_ptr<Sandbox> successor, RestoreFrom(now, *found->second));
  {
    absl::MutexLock lock(&mutex_);
    const auto it = entries_.find(id);
    if (it != entries_.end()) {
      it->second.sandbox = successor;
      it->second.options.seccomp_digest = successor->blueprint().seccomp_digest;
      return Describe(it->second);
    }
  }
  (void)successor->End(Sandbox::CleanUp::kWait);  // what is wrong with it, its deletion tells
  return IsShuttingDown() ? ShuttingDown() : SandboxNotFound(id);
}

// Those of a sandbox of an earlier boot of the host are gone with its files.
void SandboxManager::AdoptCheckpoints(const std::vector<CheckpointRow>& rows,
                                      AdoptionReport* report) {
  for (const CheckpointRow& row : rows) {
    absl::StatusOr<DiskImage> image = deps_.disks->FindImage(row.image);
    absl::StatusOr<uint64_t> bytes = image.ok() ? image->BytesOnHost() : image.status();
    if (!bytes.ok()) {
      report->problems.push_back(absl::StrCat(row.sandbox_id, ": its checkpoint ",
                                              EscapeForPeople(row.checkpoint_id, 80),
                                              " is gone: ", bytes.status().message()));
      // What cannot be written now is found again at the next start.
      (void)deps_.state->EraseCheckpoint(row.sandbox_id, row.checkpoint_id);
      continue;
    }
    absl::MutexLock lock(&mutex_);
    const auto it = entries_.find(row.sandbox_id);
    if (it == entries_.end()) continue;  // could not be taken over: the image goes with it
    it->second.checkpoints[row.checkpoint_id] =
        std::make_shared<Checkpoint>(Checkpoint{*std::move(image), row.created, *bytes});
  }
}

}  // namespace glovebox

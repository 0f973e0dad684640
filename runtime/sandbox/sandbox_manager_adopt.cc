// Taking over the sandboxes of an earlier daemon.
#include <fcntl.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/work_queue.h"
#include "linux/file_io.h"
#include "sandbox/egress_json.h"
#include "sandbox/sandbox_manager.h"
#include "snapshot/directory_list.h"

namespace glovebox {
namespace {

// Most of an adoption is waiting: for a mount, for init's answer.
constexpr int kAdoptThreads = 8;
constexpr size_t kNamesMax = 100'000;

std::map<std::string, SandboxTraces> GroupById(StateDb::Contents contents,
                                               const std::string& boot_id) {
  std::map<std::string, SandboxTraces> traces;
  for (SandboxRow& row : contents.sandboxes) {
    SandboxTraces& one = traces[row.id];
    one.same_boot = row.boot_id == boot_id;
    one.row = std::move(row);
  }
  for (ExecRow& row : contents.execs) {
    const auto it = traces.find(row.sandbox_id);
    if (it != traces.end()) it->second.execs.push_back(std::move(row));
  }
  return traces;
}

}  // namespace

absl::StatusOr<SandboxManager::Entry> SandboxManager::AdoptOne(SandboxTraces traces,
                                                               const LoopDevices& devices) {
  const SandboxRow& row = traces.row;
  RETURN_IF_ERROR(ParseSandboxId(row.id).status());
  Entry entry{row.options, row.created, nullptr, {}, row.image_digest};
  SandboxBlueprint blueprint;
  blueprint.id = row.id;
  blueprint.owner = row.options.owner;
  blueprint.limits = row.options.limits;
  blueprint.root_inside = row.options.root_inside;
  blueprint.workdir = row.workdir;
  blueprint.way_out = row.options.egress.mode != EgressMode::kNone;
  blueprint.egress = EgressInForce(row.options);
  absl::StatusOr<RootLayers> image = images_->LeaseAgain(row.options.image, row.image_digest);
  traces.unusable.Update(image.status());
  if (image.ok()) blueprint.image = *std::move(image);
  if (!row.snapshot_digest.empty()) {
    absl::StatusOr<SnapshotInfo> info = snapshots_->Find(row.snapshot_digest);
    absl::StatusOr<std::vector<Layer>> layers = snapshots_->Lease(row.snapshot_digest);
    traces.unusable.Update(layers.status());
    entry.snapshot.emplace();
    if (info.ok()) entry.snapshot = *std::move(info);
    entry.snapshot->digest = row.snapshot_digest;
    if (layers.ok()) blueprint.snapshot = *std::move(layers);
  }
  traces.unusable.Update(LeaseCachesAgain(row.options.caches, &blueprint));
  OpenLog(row.id, row.options);  // its commands run
  entry.egress_etag = EgressEtag(EgressInForce(row.options));
  entry.sandbox = Sandbox::Adopt(deps_, blueprint, devices, traces);
  return entry;
}

AdoptionReport SandboxManager::Adopt(StateDb::Contents contents, const std::string& boot_id) {
  AdoptionReport report;
  report.problems = contents.unusable;
  boot_id_ = boot_id;
  LoopDevices devices;
  if (absl::StatusOr<LoopDevices> listed = LoopDevices::List(); listed.ok()) {
    devices = *std::move(listed);
  } else {
    report.problems.push_back(std::string(listed.status().message()));
  }
  for (std::string& problem : caches_.Restore(contents.caches)) {
    report.problems.push_back(std::move(problem));
  }
  const std::vector<CheckpointRow> checkpoints = std::move(contents.checkpoints);
  std::map<std::string, SandboxTraces> all = GroupById(std::move(contents), boot_id);
  {
    WorkQueue queue(kAdoptThreads, 0);
    for (auto& [name, traces] : all) {
      queue.Run([this, &devices, &report, id = name, one = &traces] {
        absl::StatusOr<Entry> entry = AdoptOne(std::move(*one), devices);
        absl::MutexLock lock(&mutex_);
        if (!entry.ok()) {
          report.problems.push_back(
              absl::StrCat(EscapeForPeople(id, 64), ": ", entry.status().message()));
          return;
        }
        const bool running = entry->sandbox->state() != SandboxState::kStopped;
        ++(running ? report.running : report.stopped);
        if (const std::string& problem = entry->sandbox->egress_problem(); !problem.empty()) {
          report.problems.push_back(absl::StrCat(id, ": ", problem));
        }
        if (!running) {
          report.problems.push_back(absl::StrCat(id, ": ", entry->sandbox->stop_reason()));
        }
        if (!entry->options.request_id.empty()) by_request_[KeyOf(entry->options)] = id;
        entries_[id] = *std::move(entry);
      });
    }
  }
  AdoptCheckpoints(checkpoints, &report);
  SweepNames(deps_.run_directory, &report);
  if (!deps_.output_directory.empty()) SweepNames(deps_.output_directory, &report);
  if (!deps_.commits_directory.empty()) SweepNames(deps_.commits_directory, &report);
  return report;
}

// Names of sandboxes that have no record: creations and deletions that were cut short. A name is
// the sandbox's id, or begins with it and a dot.
void SandboxManager::SweepNames(const std::string& directory, AdoptionReport* report) const {
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectoryAt(AT_FDCWD, directory, kNamesMax);
  if (!names.ok()) {
    report->problems.push_back(std::string(names.status().message()));
    return;
  }
  for (const std::string& name : *names) {
    {
      absl::MutexLock lock(&mutex_);
      if (entries_.contains(name.substr(0, name.find('.')))) continue;
    }
    const absl::Status removed = RemoveTreeAt(AT_FDCWD, absl::StrCat(directory, "/", name));
    if (!removed.ok()) report->problems.push_back(std::string(removed.message()));
  }
}

}  // namespace glovebox

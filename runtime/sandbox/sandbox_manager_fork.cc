// Forks: new sandboxes with the files of another one.
//
// One copy of the parent's disk is taken while the parent stands still; the children's copies are
// made of that one when it runs again. Each child has the whole upper of its parent on a disk of
// its own: its changes are the parent's so far and its own, compared with the same snapshot and
// image, its limits hold for both, and no overlay gets deeper by it.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/work_queue.h"
#include "sandbox/egress_json.h"
#include "sandbox/sandbox_errors.h"
#include "sandbox/sandbox_manager.h"

namespace glovebox {
namespace {

constexpr size_t kForkThreads = 4;

CreateOptions OptionsOfChildren(const CreateOptions& parent, const std::string& parent_id,
                                const ForkOptions& asked) {
  CreateOptions options = parent;
  options.parent = parent_id;
  SandboxLimits& limits = options.limits;
  limits.memory_bytes = asked.memory_bytes.value_or(limits.memory_bytes);
  limits.pids_max = asked.pids_max.value_or(limits.pids_max);
  limits.cpu_millis = asked.cpu_millis.value_or(limits.cpu_millis);
  for (const auto& [key, value] : asked.labels) options.labels[key] = value;
  return options;
}

absl::Status CheckCount(uint32_t count) {
  if (count >= 1 && count <= kForksAtOnceMax) return absl::OkStatus();
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("count is ", count, "; must be 1 to ", kForksAtOnceMax),
                       {"INVALID_FIELD", {{"field", "count"}}});
}

}  // namespace

bool SandboxManager::IsShuttingDown() const {
  absl::MutexLock lock(&mutex_);
  return shutting_down_;
}

absl::StatusOr<SandboxManager::Entry> SandboxManager::CopyEntry(absl::string_view id,
                                                                const Viewer& viewer) const {
  absl::MutexLock lock(&mutex_);
  const Entry* entry = FindEntry(viewer, id);
  if (entry == nullptr) return Missing(id);
  return *entry;
}

absl::StatusOr<SandboxManager::Entry> SandboxManager::AssembleChild(
    const Child& child, const Entry& parent, absl::StatusOr<DiskImage> image) const {
  if (IsShuttingDown()) return ShuttingDown();
  RETURN_IF_ERROR(image.status());
  Entry entry{child.options, deps_.clock->Now(), nullptr, parent.snapshot, parent.image_digest};
  SandboxBlueprint blueprint = parent.sandbox->blueprint();
  blueprint.id = child.admission.id;
  blueprint.limits = child.options.limits;
  blueprint.egress = EgressInForce(child.options);
  ASSIGN_OR_RETURN(blueprint.filters, FiltersOf(child.options.seccomp));
  ASSIGN_OR_RETURN(std::unique_ptr<Disk> disk, deps_.disks->Attach(*std::move(image)));
  ASSIGN_OR_RETURN(entry.sandbox, Sandbox::Start(deps_, std::move(blueprint), std::move(disk)));
  RETURN_IF_ERROR(RecordOrEnd(entry));
  entry.egress_etag = EgressEtag(EgressInForce(child.options));
  return entry;
}

void SandboxManager::MakeChildren(const std::vector<Child>& children, const Entry& parent,
                                  DiskImage image, ForkOutcome* outcome) {
  const auto make = [&](const Child& child, absl::StatusOr<DiskImage> own) {
    outcome->children[child.index] =
        Settle(child.admission.id, child.options, AssembleChild(child, parent, std::move(own)),
               Making::kFork);
  };
  if (children.size() > 1) {
    WorkQueue queue(static_cast<int>(std::min(kForkThreads, children.size() - 1)), 0);
    for (size_t i = 0; i + 1 < children.size(); ++i) {
      queue.Run([&, i] {
        make(children[i], deps_.disks->Duplicate(image, [this] { return IsShuttingDown(); }));
      });
    }
  }
  // The others have theirs: the last one takes the copy itself.
  make(children.back(), std::move(image));
}

absl::StatusOr<ForkOutcome> SandboxManager::Fork(absl::string_view id, const ForkOptions& asked,
                                                 const ForkQuota& quota, const Viewer& viewer) {
  ASSIGN_OR_RETURN(const Entry parent, CopyEntry(id, viewer));
  RETURN_IF_ERROR(CheckCount(asked.count));
  CreateOptions options = OptionsOfChildren(parent.options, parent.sandbox->id(), asked);
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(FiltersOf(options.seccomp).status());
  options.seccomp_digest = DigestInForce(options.seccomp.value_or(limits_.seccomp_default));
  ForkOutcome outcome;
  outcome.children.assign(asked.count, absl::InternalError("not settled"));
  std::vector<Child> made;
  std::vector<Child> twins;
  for (size_t i = 0; i < asked.count; ++i) {
    // A colon is in no client's id. The number makes each child a request of its own.
    options.request_id =
        asked.request_id.empty() ? "" : absl::StrCat("fork:", asked.request_id, ":", i);
    const absl::StatusOr<Admission> admission = Admit(options, quota, Making::kFork);
    if (!admission.ok()) {
      outcome.children[i] = admission.status();
      continue;
    }
    (admission->is_new ? made : twins).push_back({options, *admission, i});
  }
  if (made.empty() && twins.empty()) return outcome.children.front().status();
  if (!made.empty()) {
    absl::StatusOr<FilesCopy> copy = parent.sandbox->CopyFiles([this] { return IsShuttingDown(); });
    if (!copy.ok()) {
      const absl::Status why = IsShuttingDown() ? ShuttingDown() : copy.status();
      for (const Child& child : made) {
        (void)Settle(child.admission.id, child.options, why, Making::kFork);
      }
      return why;
    }
    outcome.frozen = copy->frozen;
    outcome.processes_not_copied = copy->processes;
    MakeChildren(made, parent, std::move(copy->image), &outcome);
  }
  for (const Child& twin : twins) {
    outcome.children[twin.index] = WaitForTwin(twin.options, twin.admission.id);
  }
  return outcome;
}

}  // namespace glovebox

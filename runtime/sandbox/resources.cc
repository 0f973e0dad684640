#include "sandbox/resources.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "launcher/plan_builder.h"
#include "linux/file_io.h"
#include "linux/mount.h"
#include "policy/landlock.h"
#include "policy/payload_profile.h"
#include "snapshot/sealed_store.h"

namespace glovebox {
namespace {

// The owner of a worker's input on the host is the command user inside; everybody else is nobody.
absl::StatusOr<LaunchBind> BindOwned(const OwnedBind& bind, uint32_t inner_id, bool* directory) {
  LaunchBind launch;
  ASSIGN_OR_RETURN(launch.mount, bind.pinned != nullptr ? CloneMountOf(bind.pinned->get())
                                                        : CloneMount(bind.host_path));
  struct stat status {};
  if (::fstat(launch.mount.get(), &status) != 0) {
    return ErrnoError(errno, absl::StrCat("fstat ", bind.host_path));
  }
  *directory = S_ISDIR(status.st_mode);
  launch.handling = {IdMapKind::kOwner, 1, status.st_uid, status.st_gid, inner_id, inner_id};
  return launch;
}

absl::StatusOr<LaunchBind> BindHost(const HostBind& bind) {
  LaunchBind launch;
  ASSIGN_OR_RETURN(launch.mount, CloneMount(bind.host_path));
  launch.handling = {IdMapKind::kNone, 1, 0, 0, 0, 0};
  return launch;
}

// The roots that a sandbox with a way out trusts. Where its system is the host's, they take the
// place of the host's own, which they have; an image's are its own business, and stay.
absl::Status AddRoots(const SandboxDeps& deps, const SandboxBlueprint& blueprint, PlanInput* plan,
                      LaunchRequest* request) {
  const EgressRoots& roots = deps.egress_roots;
  if (!blueprint.way_out || roots.pem.empty()) return absl::OkStatus();
  std::vector<HostBind> binds = {{roots.pem, kEgressRootsFile}, {roots.java, kEgressJavaRootsFile}};
  if (!blueprint.image.binds.empty()) {
    binds.push_back({roots.pem, kSystemRootsFile});
    // A host without Java has none.
    if (::access(kSystemJavaRootsFile, F_OK) == 0) {
      binds.push_back({roots.java, kSystemJavaRootsFile});
    }
  }
  for (const HostBind& bind : binds) {
    ASSIGN_OR_RETURN(LaunchBind launch, BindHost(bind));
    request->binds.push_back(std::move(launch));
    plan->binds.push_back({bind.target, /*directory=*/false, /*own_view=*/false});
  }
  return absl::OkStatus();
}

std::vector<const Layer*> LayersOf(const std::vector<Layer>& snapshot, const RootLayers& image) {
  std::vector<const Layer*> layers;
  layers.reserve(snapshot.size() + image.layers.size());
  for (const Layer& layer : snapshot) layers.push_back(&layer);
  for (const Layer& layer : image.layers) layers.push_back(&layer);
  return layers;
}

absl::Status AddCache(const CacheLayers& cache, PlanInput* plan, LaunchRequest* request) {
  PlanCacheInput input{cache.target, SealedStore::kRoot, &kWorkspace[1],
                       static_cast<uint32_t>(cache.layers.size())};
  for (const Layer& layer : cache.layers) {
    if (layer.subdirectory != input.subdirectory) {
      return absl::InternalError(absl::StrCat("the layer of a cache is at ", layer.subdirectory));
    }
    ASSIGN_OR_RETURN(UniqueFd mount, CloneMount(layer.mount_path));
    request->cache_layers.push_back(std::move(mount));
  }
  plan->caches.push_back(std::move(input));
  return absl::OkStatus();
}

std::string EgressBytesPath(const SandboxDeps& deps, const std::string& id) {
  return absl::StrCat(deps.run_directory, "/", id, ".bytes");
}

// Not NOT_FOUND, which would say that init has ended.
absl::Status Lost(absl::string_view what, const absl::Status& why) {
  return absl::UnavailableError(absl::StrCat(what, ": ", why.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Sandbox::Resources>> Sandbox::Resources::Acquire(
    const SandboxDeps& deps, const SandboxBlueprint& blueprint, std::unique_ptr<Disk> disk,
    Estate* estate) {
  auto resources = std::make_unique<Resources>();
  resources->cleanup = deps.cleanup;
  resources->socket_path = absl::StrCat(deps.run_directory, "/", blueprint.id);
  resources->egress_bytes_path = EgressBytesPath(deps, blueprint.id);
  resources->image = blueprint.image;
  resources->snapshot = blueprint.snapshot;
  absl::Cleanup give_back = [&] { resources->Bequeath(estate); };
  if (estate != nullptr) resources->Inherit(estate);
  if (!resources->ids.has_value()) {
    ASSIGN_OR_RETURN(IdRanges::Lease ids, deps.ids->Take());
    resources->ids.emplace(std::move(ids));
  }
  if (resources->archiver == nullptr) RETURN_IF_ERROR(resources->OpenArchive(deps, blueprint.id));
  const SandboxLimits& limits = blueprint.limits;
  resources->disk = std::move(disk);
  if (resources->disk == nullptr) {
    ASSIGN_OR_RETURN(resources->disk, deps.disks->Create(limits.disk_bytes, limits.disk_inodes));
  }
  CgroupLimits cgroup_limits;
  cgroup_limits.memory_bytes = limits.memory_bytes;
  cgroup_limits.pids_max = limits.pids_max;
  cgroup_limits.cpu_millis = limits.cpu_millis;
  ASSIGN_OR_RETURN(resources->cgroup, deps.cgroups->CreateSandbox(blueprint.id, cgroup_limits,
                                                                  resources->ids->host_id_first()));
  std::move(give_back).Cancel();
  return resources;
}

void Sandbox::Resources::Inherit(Estate* estate) {
  if (estate->ids.has_value()) ids.emplace(*std::move(estate->ids));
  estate->ids.reset();
  archiver = std::move(estate->archiver);
  output_path = std::exchange(estate->output_path, "");
  if (!estate->egress_bytes_path.empty()) {
    egress_bytes_path = std::exchange(estate->egress_bytes_path, "");
  }
  changes = std::move(estate->changes);
}

void Sandbox::Resources::Bequeath(Estate* estate) {
  if (estate == nullptr) return;
  if (ids.has_value()) estate->ids.emplace(*std::move(ids));
  ids.reset();
  estate->archiver = std::move(archiver);
  estate->output_path = std::exchange(output_path, "");
  estate->egress_bytes_path = std::exchange(egress_bytes_path, "");
  estate->changes = std::move(changes);
}

absl::StatusOr<std::unique_ptr<Sandbox::Resources>> Sandbox::Resources::FindRunning(
    const SandboxDeps& deps, const SandboxBlueprint& blueprint, const SandboxRow& row,
    const LoopDevices& devices, LaunchedInit* init) {
  auto resources = std::make_unique<Resources>();
  resources->cleanup = deps.cleanup;
  resources->socket_path = absl::StrCat(deps.run_directory, "/", row.id);
  resources->egress_bytes_path = EgressBytesPath(deps, row.id);
  resources->image = blueprint.image;
  resources->snapshot = blueprint.snapshot;
  ASSIGN_OR_RETURN(resources->cgroup, deps.cgroups->AdoptSandbox(row.id, row.host_id_first));
  ASSIGN_OR_RETURN(SandboxCgroup::Init found, resources->cgroup->FindInit());
  init->pidfd = std::move(found.pidfd);
  init->host_pid = found.pid;
  // A daemon that died while it copied the disk left everything stopped.
  RETURN_IF_ERROR(resources->cgroup->Thaw());
  // One that died in a pause, before it had recorded it, left commands so.
  if (!row.paused) RETURN_IF_ERROR(resources->cgroup->ThawCommands());
  absl::Cleanup leave = [&] { resources->Leave(); };  // init lives with them still
  ASSIGN_OR_RETURN(IdRanges::Lease ids, deps.ids->TakeAgain(row.host_id_first));
  resources->ids.emplace(std::move(ids));
  if (const absl::Status opened = resources->OpenArchive(deps, row.id); !opened.ok()) {
    return Lost("its output directory", opened);
  }
  absl::StatusOr<std::unique_ptr<Disk>> disk = deps.disks->Adopt(row.disk, devices);
  if (!disk.ok()) return Lost("its disk", disk.status());
  resources->disk = *std::move(disk);
  absl::StatusOr<std::unique_ptr<InitClient>> client = InitClient::Connect(resources->socket_path);
  if (!client.ok()) return Lost("its init does not answer", client.status());
  init->client = *std::move(client);
  std::move(leave).Cancel();
  return resources;
}

std::unique_ptr<Sandbox::Resources> Sandbox::Resources::FindStopped(
    const SandboxDeps& deps, const SandboxBlueprint& blueprint, const SandboxRow& row,
    const LoopDevices& devices, bool same_boot) {
  auto resources = std::make_unique<Resources>();
  resources->cleanup = deps.cleanup;
  resources->image = blueprint.image;
  resources->snapshot = blueprint.snapshot;
  resources->ended = deps.cgroups->RemoveSandbox(row.id);
  resources->egress_bytes_path = EgressBytesPath(deps, row.id);
  // Not there after a reboot, or when it was removed as the last act of a deletion.
  (void)::unlink(absl::StrCat(deps.run_directory, "/", row.id).c_str());
  (void)resources->OpenArchive(deps, row.id);  // without it output is a gap, results are there
  // Overlays are volatile and disks have no journal: what a crash of the host left of the files is
  // not to be read.
  if (!same_boot) return resources;
  absl::StatusOr<std::unique_ptr<Disk>> disk = deps.disks->Adopt(row.disk, devices);
  if (disk.ok()) resources->disk = *std::move(disk);
  return resources;
}

absl::Status Sandbox::Resources::OpenArchive(const SandboxDeps& deps, const std::string& id) {
  if (deps.output_directory.empty()) {
    if (changes == nullptr) {
      changes =
          std::make_shared<SandboxChanges>(id, "", deps.journal_limits, deps.journals, deps.clock);
    }
    return absl::OkStatus();
  }
  output_path = absl::StrCat(deps.output_directory, "/", id);
  changes = std::make_shared<SandboxChanges>(id, output_path, deps.journal_limits, deps.journals,
                                             deps.clock);
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, output_path, 0700));
  ASSIGN_OR_RETURN(UniqueFd directory, OpenAt(AT_FDCWD, output_path, O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(std::shared_ptr<ExecArchiveStore> store,
                   ExecArchiveStore::Open(std::move(directory), deps.archive_limits));
  archiver = std::make_shared<ExecArchiver>(std::move(store), deps.archive_health);
  return absl::OkStatus();
}

absl::StatusOr<LaunchRequest> Sandbox::Resources::MakeLaunchRequest(
    const SandboxDeps& deps, const SandboxBlueprint& blueprint) const {
  LaunchRequest request;
  PlanInput plan;
  plan.hostname = "sandbox";  // as in the host image's /etc/hosts
  plan.workdir = blueprint.workdir;
  plan.environment = blueprint.image.environment;
  plan.limits = blueprint.limits;
  plan.root_inside = blueprint.root_inside;
  plan.way_out = blueprint.way_out;
  plan.commands_as_root = blueprint.commands_as_root;
  plan.filters = blueprint.filters != nullptr ? blueprint.filters : deps.filters;
  plan.landlock = MakeLandlockPolicy({deps.landlock_abi, blueprint.root_inside,
                                      TierMakesNamespaces(plan.filters->tier), blueprint.workdir});
  const uint32_t command_id = blueprint.commands_as_root ? 0 : kCommandUid;
  for (const Layer* layer : LayersOf(snapshot, image)) {
    ASSIGN_OR_RETURN(UniqueFd mount, CloneMount(layer->mount_path));
    request.layers.push_back(std::move(mount));
    plan.layers.push_back(layer->subdirectory);
  }
  for (const HostBind& bind : image.binds) {
    ASSIGN_OR_RETURN(LaunchBind launch, BindHost(bind));
    request.binds.push_back(std::move(launch));
    plan.binds.push_back({bind.target, true, /*own_view=*/true});
  }
  for (const OwnedBind& bind : blueprint.owned_binds) {
    bool directory = false;
    ASSIGN_OR_RETURN(LaunchBind launch, BindOwned(bind, command_id, &directory));
    request.binds.push_back(std::move(launch));
    plan.binds.push_back({bind.target, directory, /*own_view=*/false});
  }
  RETURN_IF_ERROR(AddRoots(deps, blueprint, &plan, &request));
  for (const CacheLayers& cache : blueprint.caches) {
    RETURN_IF_ERROR(AddCache(cache, &plan, &request));
  }
  ASSIGN_OR_RETURN(request.plan, BuildPlan(plan));
  ASSIGN_OR_RETURN(request.disk, CloneMount(disk->mount_path()));
  ASSIGN_OR_RETURN(CgroupEntry entry, cgroup->OpenEntry());
  request.cgroup_tasks = std::move(entry.tasks);
  request.cgroup2 = std::move(entry.directory);
  request.counters = std::move(entry.counters);
  request.host_id_first = ids->host_id_first();
  request.id_count = kIdsPerSandbox;
  request.socket_path = socket_path;
  return request;
}

absl::StatusOr<SandboxFiles> Sandbox::Resources::OpenFiles() const {
  if (disk == nullptr) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "the files of this sandbox are gone: the host was restarted since",
                         {"SANDBOX_STOPPED", {}});
  }
  SandboxFiles files;
  files.disk = disk->name();
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  ASSIGN_OR_RETURN(files.upper, OpenAt(disk->root_fd(), "upper", kFlags));
  for (const Layer* layer : LayersOf(snapshot, image)) {
    ASSIGN_OR_RETURN(const UniqueFd root, OpenAt(AT_FDCWD, layer->mount_path, kFlags));
    const std::string& inner = layer->subdirectory;
    ASSIGN_OR_RETURN(UniqueFd lower, OpenAt(root.get(), inner.empty() ? "." : inner, kFlags));
    files.lowers.push_back(std::move(lower));
  }
  return files;
}

void Sandbox::Resources::Leave() {
  if (disk != nullptr) disk->LeaveImage();
  if (ids.has_value()) ids->Abandon();
}

void Sandbox::Resources::GiveBack() {
  if (cgroup != nullptr && !cgroup->Remove().ok() && ended.ok()) {
    ended = absl::InternalError("processes are left in the sandbox's cgroup");
  }
  // Never made when the launch failed early.
  if (!socket_path.empty()) (void)::unlink(socket_path.c_str());
  if (archiver != nullptr) archiver->Close();  // else a file appears while its directory goes
  archiver.reset();
  if (changes != nullptr) changes->Close();
  changes.reset();
  // What cannot be removed now goes when the daemon starts anew.
  if (!output_path.empty()) (void)RemoveTreeAt(AT_FDCWD, output_path);
  if (!egress_bytes_path.empty()) (void)::unlink(egress_bytes_path.c_str());
  disk.reset();
  snapshot.clear();
  image = {};
  // A range is never leased again while a process may still have its ids.
  if (!ended.ok() && ids.has_value()) ids->Abandon();
  ids.reset();
}

}  // namespace glovebox

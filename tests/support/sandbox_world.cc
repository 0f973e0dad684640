#include "tests/support/sandbox_world.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/ids.h"
#include "base/status.h"
#include "importer/embedded/embedded_importer.h"
#include "linux/cgroup_host.h"
#include "linux/file_io.h"
#include "linux/kernel_probes.h"
#include "spawner/embedded/embedded_binaries.h"

namespace glovebox {

absl::StatusOr<std::unique_ptr<SandboxWorld>> SandboxWorld::Make(Without without,
                                                                 const Parts& parts) {
  std::unique_ptr<SandboxWorld> world(new SandboxWorld);
  char directory[] = "/tmp/gbw.XXXXXX";
  if (::mkdtemp(directory) == nullptr) return ErrnoError(errno, "mkdtemp");
  world->directory_ = directory;
  RETURN_IF_ERROR(world->Build(absl::StrCat("test-", NewRandomId().substr(0, 8)), without, parts));
  return world;
}

absl::StatusOr<std::unique_ptr<SandboxWorld>> SandboxWorld::MakeLasting(
    const std::string& directory) {
  std::unique_ptr<SandboxWorld> world(new SandboxWorld);
  world->directory_ = directory;
  world->lasting_ = true;
  RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, directory, 0700));
  const std::string name = directory.substr(directory.rfind('/') + 1);
  RETURN_IF_ERROR(world->Build(absl::StrCat("test-", name.substr(0, 8)), Without{}, Parts{}));
  return world;
}

absl::Status SandboxWorld::OpenRecords(const std::string& path, StateDb::Contents* found,
                                       std::set<std::string>* sandboxes,
                                       std::set<std::string>* disks) {
  ASSIGN_OR_RETURN(state_, StateDb::Open(path, nullptr));
  ASSIGN_OR_RETURN(*found, state_->Load());
  for (const SandboxRow& row : found->sandboxes) {
    sandboxes->insert(row.id);
    disks->insert(row.disk);
  }
  for (const CheckpointRow& row : found->checkpoints) disks->insert(row.image);
  return absl::OkStatus();
}

absl::Status SandboxWorld::Build(const std::string& instance, Without without, const Parts& parts) {
  SandboxWorld* const world = this;
  const auto below = [&](const char* name) { return absl::StrCat(directory_, "/", name); };
  for (const char* name : {"run", "ids", "disks", "store", "cgroup2", "output"}) {
    RETURN_IF_ERROR(MakeDirectoryAt(AT_FDCWD, below(name), 0700));
  }
  StateDb::Contents found;
  std::set<std::string> sandboxes;
  std::set<std::string> disks;
  if (lasting_) RETURN_IF_ERROR(OpenRecords(below("state.db"), &found, &sandboxes, &disks));
  world->filters_ = CompileSeccomp(SeccompTier::kBuild, RefusalForm::kErrno);
  if (without.filters) {
    world->filters_.allow_list = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    world->filters_.argument_rules = world->filters_.allow_list;
  }
  ASSIGN_OR_RETURN(CgroupHost host, DetectCgroupHost());
  if (host.v2_mount.empty()) RETURN_IF_ERROR(MountCgroup2(below("cgroup2"), &host));
  ASSIGN_OR_RETURN(world->cgroups_, CgroupDriver::Open(host, {instance, ""}));
  RETURN_IF_ERROR(world->cgroups_->RemoveLeftovers(sandboxes));
  ASSIGN_OR_RETURN(world->ids_, IdRanges::Open(below("ids"), 0x68000000, 1024, instance));
  ASSIGN_OR_RETURN(world->disks_, DiskFactory::Open(below("disks"), disks));
  ASSIGN_OR_RETURN(world->host_, HostImage::Build(below("store")));
  ASSIGN_OR_RETURN(world->snapshots_,
                   SnapshotStore::Open(below("store"), world->disks_.get(), &world->clock_));
  ASSIGN_OR_RETURN(world->images_, ImageStore::Open(below("store"), world->disks_.get(),
                                                    world->host_.get(), &world->clock_));
  ASSIGN_OR_RETURN(world->launcher_, Launcher::Start(EmbeddedSpawner(), EmbeddedInit()));
  ASSIGN_OR_RETURN(world->events_, EventLoop::Start());
  world->cleanup_ = std::make_unique<WorkQueue>(2, 1000);
  world->looks_after_ends_ = std::make_unique<WorkQueue>(2, 0, 1);
  SandboxDeps deps;
  deps.launcher = world->launcher_.get();
  deps.cgroups = world->cgroups_.get();
  deps.disks = world->disks_.get();
  deps.ids = world->ids_.get();
  deps.events = world->events_.get();
  deps.cleanup = world->cleanup_.get();
  deps.looks_after_ends = world->looks_after_ends_.get();
  deps.clock = parts.clock != nullptr ? parts.clock : &world->clock_;
  deps.filters = &world->filters_;
  deps.run_directory = below("run");
  deps.output_directory = below("output");
  deps.state = state_.get();
  deps.journal_limits = parts.journals;
  ASSIGN_OR_RETURN(deps.importer, WriteImporter(directory_));
  deps.landlock_abi = without.landlock ? 0 : LandlockAbi();
  world->manager_ = std::make_unique<SandboxManager>(deps, world->snapshots_.get(),
                                                     world->images_.get(), ManagerLimits{});
  if (lasting_) adoption_ = world->manager_->Adopt(std::move(found), "this boot");
  return absl::OkStatus();
}

SandboxWorld::~SandboxWorld() {
  if (manager_ != nullptr && !lasting_) {
    (void)manager_->Shutdown(SandboxManager::OnShutdown::kEnd);
  }
  manager_.reset();
  looks_after_ends_.reset();
  cleanup_.reset();
  events_.reset();
  launcher_.reset();
  images_.reset();
  snapshots_.reset();
  host_.reset();
  disks_.reset();
  ids_.reset();
  if (lasting_) return;
  if (cgroups_ != nullptr) {
    if (absl::Status removed = cgroups_->RemoveInstance(); !removed.ok()) std::abort();
  }
  if (!directory_.empty()) (void)RemoveTreeAt(AT_FDCWD, directory_);  // in /tmp, if all else fails
}

absl::StatusOr<Outcome> Collect(const std::shared_ptr<Exec>& exec, bool paces) {
  Outcome outcome;
  OutputReader reader(exec, 0, paces ? OutputReader::WaitedFor() : OutputReader::NeverWaitedFor());
  absl::Mutex mutex;
  int woken = 0;
  for (;;) {
    int before = 0;
    {
      absl::MutexLock lock(&mutex);
      before = woken;
    }
    ASSIGN_OR_RETURN(std::optional<OutputFrame> frame, reader.NextOrWatch([&] {
      absl::MutexLock lock(&mutex);
      ++woken;
    }));
    if (!frame.has_value()) {
      absl::MutexLock lock(&mutex);
      const auto changed = [&] { return woken != before; };
      mutex.Await(absl::Condition(&changed));
      continue;
    }
    if (frame->kind == OutputFrame::Kind::kEnd) {
      outcome.result = *frame->result;
      return outcome;
    }
    outcome.gap_bytes += frame->gap_bytes;
    (frame->stream == OutputStream::kStderr ? outcome.err : outcome.out) += frame->data;
  }
}

absl::StatusOr<Outcome> RunIn(Sandbox& sandbox, const ExecSpec& spec) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Exec> exec, sandbox.StartExec(NewRandomId(), spec));
  return Collect(exec, spec.output_policy == OutputPolicy::kBackPressure);
}

ExecSpec Shell(const std::string& script) {
  ExecSpec spec;
  spec.arguments = {"sh", "-c", script};
  return spec;
}

}  // namespace glovebox

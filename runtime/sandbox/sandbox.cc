#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "exec/exec_record.h"
#include "linux/file_io.h"
#include "linux/process.h"
#include "sandbox/resources.h"
#include "sandbox/sandbox_errors.h"
#include "snapshot/disk_spare.h"

namespace glovebox {
namespace {

constexpr size_t kOpenExecsMax = 256;
// Ended execs stay readable until so many others came.
constexpr size_t kExecsKeptMax = 512;
constexpr uint64_t kOutputMemoryBytesMin = 4 * kMiB;
constexpr int kKillTimeoutMs = 30'000;
constexpr int kFramesPerWakeUp = 64;

// After the takeover only sockets come with a descriptor.
bool IsDescriptorLost(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == "DESCRIPTORS_EXHAUSTED";
}

}  // namespace

Layers SandboxFiles::View(std::string root) const {
  Layers layers;
  layers.upper_fd = upper.get();
  for (const UniqueFd& lower : lowers) layers.lower_fds.push_back(lower.get());
  layers.root = std::move(root);
  return layers;
}

Sandbox::Sandbox(const SandboxDeps& deps, SandboxBlueprint blueprint,
                 std::unique_ptr<Resources> resources, LaunchedInit launched)
    : deps_(deps),
      blueprint_(std::move(blueprint)),
      init_host_pid_(launched.host_pid),
      pidfd_(std::move(launched.pidfd)),
      init_(std::move(launched.client)),
      sockets_(std::make_shared<SandboxSockets>(init_, deps.sockets)),
      resources_(std::move(resources)) {}

absl::StatusOr<std::shared_ptr<Sandbox>> Sandbox::Start(const SandboxDeps& deps,
                                                        SandboxBlueprint blueprint,
                                                        std::unique_ptr<Disk> disk) {
  const bool copied = disk != nullptr;
  ASSIGN_OR_RETURN(std::unique_ptr<Resources> resources,
                   Resources::Acquire(deps, blueprint, std::move(disk)));
  absl::StatusOr<LaunchRequest> request = resources->MakeLaunchRequest(deps, blueprint);
  if (!request.ok()) {
    Release(std::move(resources));
    return request.status();
  }
  absl::StatusOr<LaunchedInit> launched = deps.launcher->Launch(*std::move(request));
  if (!launched.ok()) {
    // A spawner that died may have left an init that nobody holds.
    (void)resources->cgroup->Kill();  // the removal tells what is still there
    Release(std::move(resources));
    return launched.status();
  }
  // The overlay is mounted and nothing runs yet: there is the room that was given up for it.
  if (copied) (void)KeepSpare(resources->disk->root_fd());  // or forks of it may find it full
  std::shared_ptr<Sandbox> sandbox(
      new Sandbox(deps, std::move(blueprint), std::move(resources), *std::move(launched)));
  RETURN_IF_ERROR(sandbox->WatchInit());
  RETURN_IF_ERROR(sandbox->OpenWayOut());
  return sandbox;
}

Sandbox::~Sandbox() {
  if (std::unique_ptr<Resources> resources = KillAndDetach(); resources != nullptr) {
    Release(std::move(resources));
  }
}

absl::Status Sandbox::WatchInit() {
  std::weak_ptr<Sandbox> weak = weak_from_this();
  ASSIGN_OR_RETURN(const uint64_t socket, deps_.events->Add(init_->fd(), [weak] {
    if (auto self = weak.lock()) self->OnSocketReadable();
  }));
  ASSIGN_OR_RETURN(const uint64_t pidfd, deps_.events->Add(pidfd_.get(), [weak] {
    if (auto self = weak.lock()) self->OnInitGone("");
  }));
  absl::MutexLock lock(&mutex_);
  socket_watch_ = socket;
  pidfd_watch_ = pidfd;
  return absl::OkStatus();
}

void Sandbox::OnSocketReadable() {
  const absl::Status read = ReadFrames(kFramesPerWakeUp);
  if (read.ok()) return;
  // An init that breaks the protocol is not trusted with anything any more. Init's socket closes
  // before its processes are gone: that they are, the pidfd tells.
  (void)SignalPidFd(pidfd_.get(), SIGKILL);  // fails only when it has ended
  uint64_t watch = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!absl::IsUnavailable(read)) {
      breach_ = absl::StrCat("its init broke the protocol: ", read.message());
    }
    watch = std::exchange(socket_watch_, 0);
  }
  if (watch != 0) deps_.events->Remove(watch);
}

absl::Status Sandbox::ReadFrames(int count) {
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<std::optional<InitFrame>> received = init_->Receive();
    if (IsDescriptorLost(received.status())) {
      sockets_->OnDescriptorLost();
      continue;
    }
    RETURN_IF_ERROR(received.status());
    std::optional<InitFrame>& frame = *received;
    if (!frame.has_value()) break;
    if (frame->kind == FrameKind::kHelloAck || frame->kind == FrameKind::kPaused) {
      {
        absl::MutexLock lock(&mutex_);  // who waits for one of them looks again
        init_paused_ = init_paused_ || frame->kind == FrameKind::kPaused;
      }
      sockets_->OnHello();
    } else if (frame->kind == FrameKind::kSocket) {
      RETURN_IF_ERROR(sockets_->OnAnswer(*std::move(frame)));
    } else {
      RETURN_IF_ERROR(OnExecFrame(*frame));
    }
  }
  return absl::OkStatus();
}

absl::Status Sandbox::OnExecFrame(const InitFrame& frame) {
  std::shared_ptr<Exec> exec;
  const bool ends = frame.kind == FrameKind::kEnd || frame.kind == FrameKind::kRefused;
  {
    absl::MutexLock lock(&mutex_);
    auto it = by_number_.find(frame.exec_no);
    if (it == by_number_.end()) {
      if (frame.exec_no < next_exec_no_) return absl::OkStatus();  // its end was taken already
      return absl::DataLossError(
          absl::StrCat("a frame of exec ", frame.exec_no, ", which was never started"));
    }
    exec = it->second;
    if (ends) by_number_.erase(it);
    if (frame.kind == FrameKind::kEnd) ++unacknowledged_;
    // Nobody is to be taken for the only command before this one is settled.
    if (frame.kind == FrameKind::kEnd && resources_ != nullptr && resources_->way_out != nullptr) {
      looked_after_[frame.exec_no] = exec;
    }
    if (frame.kind == FrameKind::kRefused) TellCommands();
  }
  if (ends && EndTracked(exec, frame)) return absl::OkStatus();
  TellEnd(exec, frame);
  if (frame.kind != FrameKind::kEnd) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  looked_after_.erase(frame.exec_no);
  return absl::OkStatus();
}

std::string Sandbox::DescribeInitsEnd() const {
  constexpr char kEnded[] = "its init process ended";
  const absl::StatusOr<SandboxUsage> usage = Usage();
  if (!usage.ok() || usage->oom_kills == 0) return kEnded;
  return absl::StrCat(kEnded, "; for lack of memory the kernel killed ", usage->oom_kills,
                      " of the sandbox's processes");
}

void Sandbox::OnInitGone(absl::string_view why) {
  // An end that init sent before it went is the end. Only who took the watches reads.
  if (StopWatching()) (void)ReadFrames(std::numeric_limits<int>::max());
  std::vector<std::shared_ptr<Exec>> open;
  std::shared_ptr<SandboxWayOut> way_out;  // nobody is left to use it
  bool stopped = false;
  const std::string ended = DescribeInitsEnd();
  std::string reason(why);
  {
    absl::MutexLock lock(&mutex_);
    if (left_) return;
    if (reason.empty()) reason = breach_.empty() ? ended : breach_;
    stopped = state_ == SandboxState::kRunning || state_ == SandboxState::kPaused;
    if (stopped) {
      state_ = SandboxState::kStopped;
      stop_reason_ = reason;
    }
    for (auto& [number, exec] : by_number_) open.push_back(exec);
    by_number_.clear();
    if (resources_ != nullptr) way_out = std::move(resources_->way_out);
  }
  // Not here, where everybody's events are taken: it waits for the gateway.
  if (way_out != nullptr) deps_.cleanup->Run([way_out]() mutable { way_out.reset(); });
  way_out.reset();
  if (stopped && deps_.state != nullptr) deps_.state->NoteStopped(id(), reason);
  sockets_->End(NotRunning(state(), reason));
  for (const auto& exec : open) {
    exec->OnSandboxGone();
    RecordEndLater({exec, /*held=*/false});
  }
}

bool Sandbox::StopWatching() {
  uint64_t watches[2] = {0, 0};
  {
    absl::MutexLock lock(&mutex_);
    watches[0] = std::exchange(socket_watch_, 0);
    watches[1] = std::exchange(pidfd_watch_, 0);
  }
  for (uint64_t watch : watches) {
    if (watch != 0) deps_.events->Remove(watch);
  }
  return watches[1] != 0;
}

SandboxState Sandbox::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

std::string Sandbox::stop_reason() const {
  absl::MutexLock lock(&mutex_);
  return stop_reason_;
}

void Sandbox::ForgetOldExecs() {
  while (execs_.size() >= kExecsKeptMax) {
    auto oldest = execs_.end();
    for (auto it = execs_.begin(); it != execs_.end(); ++it) {
      if (by_number_.contains(it->second->number())) continue;
      if (oldest == execs_.end() || it->second->number() < oldest->second->number()) oldest = it;
    }
    if (oldest == execs_.end()) return;
    had_survivors_ = had_survivors_ || HasSurvivors();
    if (deps_.state != nullptr) deps_.state->EraseExecBehind(id(), oldest->second->number());
    if (resources_ != nullptr && resources_->archiver != nullptr) {
      resources_->archiver->store()->Remove(oldest->second->number());
    }
    if (resources_ != nullptr && oldest->second->spec().full_log_bytes > 0) {
      // What could not be removed goes with the disk.
      (void)OutputLog::Remove(resources_->disk->root_fd(), oldest->second->number());
    }
    execs_.erase(oldest);
  }
}

// The pages of regions are memory of the sandbox: all of it must not become output.
absl::Status Sandbox::CheckOutputMemory(const ExecSpec& spec) const {
  const uint64_t limit = std::max(
      blueprint_.limits.memory_bytes / 100 * deps_.output_memory_percent, kOutputMemoryBytesMin);
  uint64_t bytes = OutputRegion::BytesFor(spec);
  for (const auto& [number, exec] : by_number_) bytes += OutputRegion::BytesFor(exec->spec());
  if (bytes <= limit) return absl::OkStatus();
  return DetailedError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the output kept of ", by_number_.size(),
                   " running commands and of this one is ", bytes,
                   " bytes; the sandbox's limit is ", limit,
                   ": wait for one to end, or ask for less to be retained"),
      {"OUTPUT_MEMORY", {{"limit", absl::StrCat(limit)}, {"value", absl::StrCat(bytes)}}});
}

absl::StatusOr<UniqueFd> Sandbox::MakeLog(const ExecSpec& spec, uint32_t number) const {
  if (spec.full_log_bytes == 0) return UniqueFd();
  absl::StatusOr<UniqueFd> log = OutputLog::Create(resources_->disk->root_fd(), number);
  if (log.ok() || !absl::IsResourceExhausted(log.status())) return log;
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       "the sandbox's disk is full: there is no room for a full log",
                       {"DISK_FULL", {}});
}

absl::StatusOr<std::shared_ptr<Exec>> Sandbox::StartExec(const std::string& exec_id,
                                                         const ExecSpec& spec) {
  RETURN_IF_ERROR(ValidateExecSpec(spec));
  BeforeStart before;
  if (spec.track_changes) {
    ASSIGN_OR_RETURN(before, LookBeforeStart(exec_id));
  }
  absl::MutexLock lock(&mutex_);
  if (auto it = execs_.find(exec_id); it != execs_.end()) {
    if (it->second->spec() == spec) return it->second;
    return DetailedError(
        absl::StatusCode::kAlreadyExists,
        absl::StrCat("exec ", exec_id, " was started with another spec; choose another id"),
        {"EXEC_ID_REUSED", {}});
  }
  RETURN_IF_ERROR(CheckAlive());
  if (CommandsOpen() >= kOpenExecsMax) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         absl::StrCat(kOpenExecsMax, " commands run already; wait for one to end"),
                         {"EXEC_LIMIT", {{"limit", absl::StrCat(kOpenExecsMax)}}});
  }
  return Launch(exec_id, spec, before);
}

absl::StatusOr<std::shared_ptr<Exec>> Sandbox::Launch(const std::string& exec_id,
                                                      const ExecSpec& spec,
                                                      const BeforeStart& before) {
  if (pausing_ || state_ == SandboxState::kPaused) return SandboxPaused();
  if (by_number_.size() + unacknowledged_ >= kExecsHeldMax) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         "the ends of too many commands are not recorded yet; try again",
                         {"EXEC_LIMIT", {{"limit", absl::StrCat(kExecsHeldMax)}}});
  }
  RETURN_IF_ERROR(CheckOutputMemory(spec));
  const ChangesStart changes = BeginTracking(before);
  const std::string record = EncodeExecRecord(exec_id, spec, changes);
  ASSIGN_OR_RETURN(OutputRegion region, OutputRegion::Create(WithRoots(spec), record));
  const uint32_t number = next_exec_no_++;
  ASSIGN_OR_RETURN(const UniqueFd log, MakeLog(spec, number));
  ASSIGN_OR_RETURN(const ExecLeaf leaf, resources_->cgroup->CreateExecLeaf(number));
  const int region_fd = region.fd();
  auto exec = std::make_shared<Exec>(exec_id, number, spec, std::move(region), init_);
  exec->SetChangesStart(changes);
  exec->SetCgroupId(leaf.id);
  exec->OpenLog(resources_->disk->root_fd());
  NoteBesideTracked();
  if (!spec.files_program) {
    ForgetOldExecs();
    execs_[exec_id] = exec;
  }
  by_number_[number] = exec;
  TellCommands();
  std::vector<int> fds = {region_fd, leaf.directory.get(), leaf.kill.get()};
  if (log.valid()) fds.push_back(log.get());
  if (spec.files_program) fds.push_back(deps_.files_program->get());
  const FrameKind kind = spec.files_program ? FrameKind::kStartProgram : FrameKind::kStart;
  const absl::Status sent = init_->Send(kind, number, "", fds);
  if (!sent.ok()) {
    if (!spec.files_program) execs_.erase(exec_id);
    by_number_.erase(number);
    TellCommands();
    (void)resources_->cgroup->RemoveExecLeaf(number);  // empty; else it goes with the sandbox
    return Annotate(sent, "the sandbox's init does not answer");
  }
  file_hints_.Tell(FileHint::kWorks);
  // Behind: until it is written, the region tells the next daemon the same.
  if (deps_.state != nullptr && !spec.files_program) {
    deps_.state->PutExecBehind({id(), number, exec_id, record, std::nullopt});
  }
  return exec;
}

absl::Status Sandbox::SignalExec(Exec& exec, uint32_t signal, SignalScope scope) {
  const bool survivors = signal == SIGKILL && scope == SignalScope::kTree &&
                         exec.spec().keep_survivors && exec.Snapshot().result.has_value();
  if (!survivors) return exec.Signal(signal, scope);
  std::shared_ptr<SandboxCgroup> cgroup;
  {
    absl::MutexLock lock(&mutex_);
    if (resources_ != nullptr) cgroup = resources_->cgroup;
  }
  // Init has forgotten the command; its cgroup is there as long as the sandbox.
  if (cgroup != nullptr && cgroup->KillExecLeaf(exec.number()).ok()) return absl::OkStatus();
  return exec.Signal(signal, scope);  // says that it has ended
}

absl::StatusOr<std::shared_ptr<Exec>> Sandbox::FindExec(absl::string_view exec_id) const {
  absl::MutexLock lock(&mutex_);
  auto it = execs_.find(std::string(exec_id));
  if (it != execs_.end()) return it->second;
  return DetailedError(absl::StatusCode::kNotFound,
                       absl::StrCat("no exec \"", exec_id, "\" in sandbox ", id(),
                                    " (ended ones are kept until ", kExecsKeptMax, " newer ones)"),
                       {"EXEC_NOT_FOUND", {}});
}

size_t Sandbox::open_execs() const {
  absl::MutexLock lock(&mutex_);
  return CommandsOpen();
}

std::vector<std::shared_ptr<Exec>> Sandbox::ListExecs() const {
  std::vector<std::shared_ptr<Exec>> execs;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [exec_id, exec] : execs_) execs.push_back(exec);
  }
  std::sort(execs.begin(), execs.end(),
            [](const auto& a, const auto& b) { return a->number() < b->number(); });
  return execs;
}

absl::StatusOr<SandboxUsage> Sandbox::Usage() const {
  absl::MutexLock lock(&mutex_);
  if (left_) return ShuttingDown();
  if (resources_ == nullptr) return NotRunning(SandboxState::kDeleting, "");
  SandboxUsage usage;
  CgroupEvents events;
  DiskUsage disk;
  // Stopped before this daemon started: some of it is not there any more.
  if (resources_->cgroup != nullptr) {
    ASSIGN_OR_RETURN(events, resources_->cgroup->Events());
  }
  if (resources_->disk != nullptr) {
    ASSIGN_OR_RETURN(disk, resources_->disk->Usage());
  }
  usage.memory_bytes = events.memory_usage_bytes;
  usage.memory_peak_bytes = events.memory_peak_bytes;
  usage.cpu_us = events.cpu_usage_us;
  usage.pids = events.pids_current;
  usage.oom_kills = events.oom_kills;
  usage.disk_bytes_used = disk.bytes_used;
  usage.disk_bytes_limit = disk.bytes_limit;
  usage.disk_inodes_used = disk.inodes_used;
  usage.disk_inodes_limit = disk.inodes_limit;
  return usage;
}

absl::StatusOr<SandboxFiles> Sandbox::OpenFiles() const {
  absl::MutexLock lock(&mutex_);
  if (left_) return ShuttingDown();
  if (resources_ == nullptr) return NotRunning(SandboxState::kDeleting, "");
  return resources_->OpenFiles();
}

absl::StatusOr<std::unique_ptr<SandboxSockets::Place>> Sandbox::EnterSockets(
    const SandboxSockets::Ended& ended) {
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckAlive());
    if (pausing_ || state_ == SandboxState::kPaused) return SandboxPaused();
  }
  return sockets_->Enter(ended);
}

std::map<uint64_t, std::string> Sandbox::ExecsByCgroup() const {
  std::shared_ptr<SandboxCgroup> cgroup;
  std::map<uint32_t, std::string> ids;
  {
    absl::MutexLock lock(&mutex_);
    if (resources_ != nullptr) cgroup = resources_->cgroup;
    for (const auto& [exec_id, exec] : execs_) ids[exec->number()] = exec_id;
  }
  std::map<uint64_t, std::string> execs;
  if (cgroup == nullptr) return execs;
  const auto leaves = cgroup->ExecLeafIds();
  if (!leaves.ok()) return execs;
  for (const auto& [cgroup_id, number] : *leaves) {
    if (const auto found = ids.find(number); found != ids.end()) execs[cgroup_id] = found->second;
  }
  return execs;
}

absl::StatusOr<std::shared_ptr<SandboxChanges>> Sandbox::Changes() const {
  absl::MutexLock lock(&mutex_);
  if (left_) return ShuttingDown();
  if (resources_ == nullptr || resources_->changes == nullptr) {
    return NotRunning(SandboxState::kDeleting, "");
  }
  return resources_->changes;
}

std::unique_ptr<Sandbox::Resources> Sandbox::KillAndDetach() {
  std::unique_ptr<Resources> resources;
  {
    absl::MutexLock lock(&mutex_);
    EndCopies();
    resources = std::move(resources_);
    if (resources == nullptr) return nullptr;
    state_ = SandboxState::kDeleting;
  }
  // Init's death ends its pid namespace, and with it everything inside; the cgroup kill also
  // reaches what has no pid there yet. Either alone is enough.
  if (pidfd_.valid()) {  // else it was stopped before this daemon started
    (void)SignalPidFd(pidfd_.get(), SIGKILL);
    if (resources->cgroup != nullptr) (void)resources->cgroup->Kill();  // else it is gone already
    resources->ended = WaitPidFd(pidfd_.get(), kKillTimeoutMs);
  }
  OnInitGone("deleted");
  file_hints_.Tell(FileHint::kFilesGo);
  return resources;
}

void Sandbox::Leave() {
  std::unique_ptr<Resources> resources;
  std::vector<std::shared_ptr<Exec>> execs;
  {
    absl::MutexLock lock(&mutex_);
    EndCopies();
    resources = std::move(resources_);
    if (resources == nullptr) return;
    left_ = true;
    for (auto& [number, exec] : by_number_) execs.push_back(exec);
    for (auto& [number, exec] : looked_after_) execs.push_back(exec);
  }
  StopWatching();
  resources->Leave();
  for (const auto& exec : execs) exec->OnDaemonLeaves(ShuttingDown());
  sockets_->End(ShuttingDown());
  file_hints_.Tell(FileHint::kFilesGo);
}

void Sandbox::Release(std::unique_ptr<Resources> resources) {
  WorkQueue* const cleanup = resources->cleanup;
  std::shared_ptr<Resources> shared(std::move(resources));
  cleanup->Run([shared] { shared->GiveBack(); });
}

absl::Status Sandbox::End(CleanUp clean_up) {
  std::unique_ptr<Resources> resources = KillAndDetach();
  if (resources == nullptr) return absl::OkStatus();
  absl::Status ended = resources->ended;
  if (clean_up == CleanUp::kWait) {
    resources->GiveBack();
    deps_.disks->WaitForRemovals();
  } else {
    Release(std::move(resources));
  }
  return ended;
}

absl::StatusOr<std::unique_ptr<Disk>> Sandbox::EndAndTakeDisk() {
  std::unique_ptr<Resources> resources = KillAndDetach();
  if (resources == nullptr) return NotRunning(SandboxState::kDeleting, "");
  RETURN_IF_ERROR(resources->ended);
  std::unique_ptr<Disk> disk = std::move(resources->disk);
  resources->GiveBack();
  return disk;
}

}  // namespace glovebox

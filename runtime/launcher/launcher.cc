#include "launcher/launcher.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/status.h"
#include "linux/memfd.h"
#include "linux/process.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

// Generous: a loaded host may take long, and a wrong end here would kill a good sandbox.
constexpr int kStepTimeoutMs = 20'000;

absl::Status SetupError(SetupStep step, int error, const char* detail, size_t detail_size) {
  const std::string text(detail, ::strnlen(detail, detail_size));
  const std::string escaped = EscapeForPeople(text, 200);
  return DetailedError(
      absl::ErrnoToStatusCode(error) == absl::StatusCode::kResourceExhausted
          ? absl::StatusCode::kResourceExhausted
          : absl::StatusCode::kInternal,
      absl::StrCat("setting up the sandbox failed at step ", SetupStepName(step), ": ", escaped,
                   escaped.empty() ? "" : ": ", std::strerror(error)),
      {"SETUP_FAILED",
       {{"step", SetupStepName(step)}, {"errno", absl::StrCat(error)}, {"detail", escaped}}});
}

// What the image or the upper has where a cache is to be mounted, and no fault of ours.
bool IsCacheTargetRefused(SetupStep step, int error) {
  if (step != SetupStep::kMountCaches) return false;
  return error == ELOOP || error == ENOTDIR || error == EROFS || error == EXDEV || error == EACCES;
}

absl::Status CacheTargetRefused(const SetupReport& report) {
  const std::string path =
      EscapeForPeople(std::string(report.detail, ::strnlen(report.detail, sizeof report.detail)));
  const char* const why = report.error == EROFS
                              ? "it would have to be made in a read-only directory"
                              : "a link or a file is on the way, or it is no directory";
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("no cache can be mounted at ", path, " in this sandbox: ", why),
      {"CACHE_TARGET_REFUSED",
       {{"path", path},
        {"errno", absl::StrCat(report.error)},
        {"remedy",
         "choose a target_path that is a directory there, or below one that commands can "
         "write to"}}});
}

std::vector<int> RawFds(const std::vector<UniqueFd>& fds) {
  std::vector<int> raw;
  raw.reserve(fds.size());
  for (const UniqueFd& fd : fds) raw.push_back(fd.get());
  return raw;
}

// Their numbers, and the descriptors in the order of spawn_wire.h.
SpawnRequest AddResources(const LaunchRequest& request, std::vector<int>* fds) {
  SpawnRequest header{};
  header.host_id_first = request.host_id_first;
  header.id_count = request.id_count;
  header.layer_count = static_cast<uint32_t>(request.layers.size());
  header.bind_count = static_cast<uint32_t>(request.binds.size());
  header.cache_layer_count = static_cast<uint32_t>(request.cache_layers.size());
  header.tasks_count = static_cast<uint32_t>(request.cgroup_tasks.size());
  header.has_cgroup2 = request.cgroup2.valid() ? 1 : 0;
  fds->push_back(request.disk.get());
  for (const UniqueFd& layer : request.layers) fds->push_back(layer.get());
  for (size_t i = 0; i < request.binds.size(); ++i) {
    header.binds[i] = request.binds[i].handling;
    fds->push_back(request.binds[i].mount.get());
  }
  for (const UniqueFd& layer : request.cache_layers) fds->push_back(layer.get());
  for (const UniqueFd& tasks : request.cgroup_tasks) fds->push_back(tasks.get());
  if (request.cgroup2.valid()) fds->push_back(request.cgroup2.get());
  return header;
}

absl::Status WaitReady(int status_fd) {
  ASSIGN_OR_RETURN(Packet packet, ReceivePacket(status_fd, sizeof(SetupReport), 0, kStepTimeoutMs));
  SetupReport report{};
  if (packet.bytes.size() != sizeof report) {
    return SetupError(SetupStep::kExecInit, ECHILD, "init ended without a report", 64);
  }
  std::memcpy(&report, packet.bytes.data(), sizeof report);
  if (report.magic != kSetupReportMagic) return absl::InternalError("a malformed set-up report");
  if (report.step == SetupStep::kReady && report.error == 0) return absl::OkStatus();
  if (IsCacheTargetRefused(report.step, report.error)) {
    return CacheTargetRefused(report);
  }
  return SetupError(report.step, report.error, report.detail, sizeof report.detail);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Launcher>> Launcher::Start(
    absl::string_view spawner_image, absl::string_view init_image,
    SpawnerPair::ReplacedCallback on_replaced) {
  ASSIGN_OR_RETURN(auto spawners,
                   SpawnerPair::Start(spawner_image, init_image, std::move(on_replaced)));
  return std::unique_ptr<Launcher>(new Launcher(std::move(spawners)));
}

absl::StatusOr<LaunchedInit> Launcher::Launch(LaunchRequest request) {
  if (request.layers.size() > kLayersMax || request.binds.size() > kBindsMax ||
      request.cache_layers.size() > kCacheLayersMax ||
      request.cgroup_tasks.size() > kCgroupTasksMax) {
    return absl::InternalError("a launch with more descriptors than the spawner takes");
  }
  ASSIGN_OR_RETURN(const UniqueFd plan,
                   MakeSealedMemfd("glovebox-plan", request.plan, /*executable=*/false));
  ASSIGN_OR_RETURN(UniqueFd listener, ListenSeqpacket(request.socket_path));
  absl::Cleanup remove_socket = [path = request.socket_path] { (void)::unlink(path.c_str()); };
  ASSIGN_OR_RETURN(auto status, MakeSeqpacketPair());

  std::vector<int> fds = {plan.get(), listener.get(), status.second.get()};
  const SpawnRequest header = AddResources(request, &fds);
  ASSIGN_OR_RETURN(auto spawned, spawners_->Ask(header, fds));
  if (const SpawnReply& reply = spawned.first; reply.error != 0) {
    return SetupError(reply.step, reply.error, reply.detail, sizeof reply.detail);
  }
  // Only init holds the other ends from here on: its death is seen as end of file.
  status.second.Reset();
  listener.Reset();
  LaunchedInit launched;
  launched.pidfd = std::move(spawned.second);
  launched.host_pid = spawned.first.host_pid;
  if (absl::Status ready = WaitReady(status.first.get()); !ready.ok()) {
    (void)SignalPidFd(launched.pidfd.get(), SIGKILL);  // it has ended by itself, or is stuck
    (void)WaitPidFd(launched.pidfd.get(), kStepTimeoutMs);
    return ready;
  }
  ASSIGN_OR_RETURN(launched.client,
                   InitClient::Connect(request.socket_path, RawFds(request.counters)));
  std::move(remove_socket).Cancel();
  return launched;
}

}  // namespace glovebox

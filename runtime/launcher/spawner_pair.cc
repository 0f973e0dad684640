#include "launcher/spawner_pair.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"
#include "linux/memfd.h"
#include "linux/process.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

// Generous: a loaded host may take long, and a wrong end here would kill a good spawner.
constexpr int kAnswerTimeoutMs = 20'000;

absl::Status Gone(absl::string_view what) {
  return DetailedError(absl::StatusCode::kUnavailable, what, {"SPAWNER_GONE", {}});
}

absl::StatusOr<SpawnReply> ParseReply(const Packet& packet, uint32_t request_id) {
  if (packet.bytes.empty()) return absl::UnavailableError("its socket has ended");
  SpawnReply reply{};
  if (packet.bytes.size() != sizeof reply) return absl::InternalError("a short spawn reply");
  std::memcpy(&reply, packet.bytes.data(), sizeof reply);
  if (reply.magic != kSpawnMagic || reply.request_id != request_id) {
    return absl::InternalError("a spawn reply to another request");
  }
  return reply;
}

absl::Status StartError(absl::string_view what, const SpawnReply& reply) {
  const std::string detail(reply.detail, ::strnlen(reply.detail, sizeof reply.detail));
  return ErrnoError(reply.error, absl::StrCat(what, ": ", detail));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpawnerPair>> SpawnerPair::Start(absl::string_view spawner_image,
                                                                absl::string_view init_image,
                                                                ReplacedCallback on_replaced) {
  ASSIGN_OR_RETURN(const UniqueFd spawner,
                   MakeSealedMemfd("glovebox-spawner", spawner_image, /*executable=*/true));
  ASSIGN_OR_RETURN(const UniqueFd init,
                   MakeSealedMemfd("glovebox-init", init_image, /*executable=*/true));
  ASSIGN_OR_RETURN(auto sockets, MakeSeqpacketPair());
  ASSIGN_OR_RETURN(SpawnedProcess process, SpawnFromFd(spawner.get(), {"glovebox-spawner"},
                                                       {{sockets.second.get(), kSpawnerSocketFd},
                                                        {init.get(), kSpawnerInitFd}}));
  sockets.second.Reset();
  std::unique_ptr<SpawnerPair> pair(new SpawnerPair(std::move(on_replaced)));
  absl::MutexLock lock(&pair->mutex_);
  pair->reserve_ = {std::move(sockets.first), std::move(process.pidfd)};
  ASSIGN_OR_RETURN(Packet packet, ReceivePacket(pair->reserve_.socket.get(), sizeof(SpawnReply), 0,
                                                kAnswerTimeoutMs));
  ASSIGN_OR_RETURN(const SpawnReply reply, ParseReply(packet, 0));
  if (reply.error != 0) return StartError("glovebox-spawner cannot start", reply);
  RETURN_IF_ERROR(pair->MakeActive());
  return pair;
}

SpawnerPair::~SpawnerPair() {
  absl::MutexLock lock(&mutex_);
  for (Spawner* spawner : {&active_, &reserve_}) {
    spawner->socket.Reset();
    if (!spawner->pidfd.valid()) continue;
    siginfo_t info{};
    // It ends at once when its socket closes; waiting keeps no zombie behind.
    (void)::waitid(P_PIDFD, static_cast<id_t>(spawner->pidfd.get()), &info, WEXITED);
  }
}

bool SpawnerPair::Lives(const Spawner& spawner) {
  return spawner.pidfd.valid() && !WaitPidFd(spawner.pidfd.get(), 0).ok();
}

void SpawnerPair::KillAndReap(Spawner* spawner) {
  if (spawner->pidfd.valid()) {
    siginfo_t info{};
    // One that hangs in the kernel stays a zombie until this process ends; nobody waits for it.
    (void)SignalPidFd(spawner->pidfd.get(), SIGKILL);
    (void)WaitPidFd(spawner->pidfd.get(), kAnswerTimeoutMs);
    (void)::waitid(P_PIDFD, static_cast<id_t>(spawner->pidfd.get()), &info, WEXITED | WNOHANG);
  }
  *spawner = Spawner{};
}

absl::StatusOr<SpawnerPair::Answer> SpawnerPair::Converse(const Spawner& spawner,
                                                          SpawnRequest request,
                                                          const std::vector<int>& fds) {
  request.magic = kSpawnMagic;
  request.request_id = next_request_++;
  RETURN_IF_ERROR(SendPacket(spawner.socket.get(), BytesOf(request), fds));
  ASSIGN_OR_RETURN(Packet packet,
                   ReceivePacket(spawner.socket.get(), sizeof(SpawnReply), 1, kAnswerTimeoutMs));
  ASSIGN_OR_RETURN(const SpawnReply reply, ParseReply(packet, request.request_id));
  if (reply.error != 0) return Answer{reply, UniqueFd()};
  if (packet.fds.size() != 1) return absl::InternalError("a spawn reply without a pidfd");
  return Answer{reply, std::move(packet.fds[0])};
}

// From reserve_, which stays that.
absl::Status SpawnerPair::MakeActive() {
  ASSIGN_OR_RETURN(auto sockets, MakeSeqpacketPair());
  SpawnRequest request{};
  request.kind = SpawnRequestKind::kAnotherSpawner;
  ASSIGN_OR_RETURN(Answer answer, Converse(reserve_, request, {sockets.second.get()}));
  if (answer.first.error != 0) return StartError("another glovebox-spawner", answer.first);
  active_ = {std::move(sockets.first), std::move(answer.second)};
  return absl::OkStatus();
}

absl::Status SpawnerPair::Mend() {
  const bool active = Lives(active_);
  if (active && Lives(reserve_)) return absl::OkStatus();
  if (!active) {
    KillAndReap(&active_);
  } else {
    KillAndReap(&reserve_);
    reserve_ = std::exchange(active_, Spawner{});
  }
  if (!Lives(reserve_)) {
    return Gone("both glovebox-spawner processes have ended; restart gloveboxd");
  }
  if (absl::Status made = MakeActive(); !made.ok()) {
    return Gone(absl::StrCat("glovebox-spawner has ended and has no successor yet: ",
                             std::string(made.message()), "; try again, or restart gloveboxd"));
  }
  if (on_replaced_) {
    on_replaced_(active ? "the glovebox-spawner in reserve had ended; there is another one"
                        : "glovebox-spawner had ended; another one makes sandboxes now");
  }
  return absl::OkStatus();
}

absl::StatusOr<SpawnerPair::Answer> SpawnerPair::Ask(SpawnRequest request,
                                                     const std::vector<int>& fds) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Mend());
  absl::StatusOr<Answer> answer = Converse(active_, request, fds);
  // Descriptors that ran out in this process say nothing about the spawner.
  if (answer.ok() || absl::IsResourceExhausted(answer.status())) return answer;
  // A late answer would be taken for that of the next request.
  KillAndReap(&active_);
  const absl::Status mended = Mend();
  if (!mended.ok()) return mended;
  return Gone(absl::StrCat("glovebox-spawner ended while it made this sandbox (",
                           std::string(answer.status().message()),
                           "); another one has taken its place, try again"));
}

}  // namespace glovebox

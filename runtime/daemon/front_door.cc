#include "daemon/front_door.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr const char* kRefusalKinds[kFrontRefusals] = {
    "front", "network", "strangers", "all", "slow", "handshake", "certificate", "internal"};

}  // namespace

FrontDoor::FrontDoor(FrontParts parts, Admit admit, const Log* log, UniqueFd wake)
    : parts_(std::move(parts)),
      admit_(std::move(admit)),
      log_(log),
      refusals_(log),
      wake_(std::move(wake)) {}

absl::StatusOr<std::unique_ptr<FrontDoor>> FrontDoor::Start(FrontParts parts, Admit admit,
                                                            const Log* log) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoError(errno, "eventfd");
  std::unique_ptr<FrontDoor> door(
      new FrontDoor(std::move(parts), std::move(admit), log, std::move(wake)));
  absl::Notification started;
  absl::Status first;
  door->thread_ = std::thread([&, raw = door.get()] { raw->Run(&started, &first); });
  started.WaitForNotification();
  RETURN_IF_ERROR(first);
  return door;
}

FrontDoor::~FrontDoor() {
  ending_.store(true);
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
  thread_.join();
}

void FrontDoor::StopAccepting() {
  stopping_.store(true);
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // as above
}

// `started` and `first` are gone once it was notified.
void FrontDoor::Run(absl::Notification* started, absl::Status* first) {
  absl::StatusOr<std::unique_ptr<FrontProcess>> front = FrontProcess::Start(parts_);
  *first = front.status();
  const bool runs = front.ok();
  started->Notify();
  std::unique_ptr<FrontProcess> now = runs ? *std::move(front) : nullptr;
  while (now != nullptr) {
    restart_delay_.Started(absl::Now());
    Serve(now.get());
    if (ending_.load()) return;
    log_->Write(LogLevel::kError, "glovebox-front has ended; clients over TCP connect again",
                {{"how", now->End()}});
    now.reset();
    now = StartAgain();
  }
}

// nullptr: there is no need of one any more.
std::unique_ptr<FrontProcess> FrontDoor::StartAgain() {
  for (;;) {
    const absl::Duration delay = restart_delay_.Next(absl::Now());
    if (WaitForWake(static_cast<int>(absl::ToInt64Milliseconds(delay)))) return nullptr;
    absl::StatusOr<std::unique_ptr<FrontProcess>> front = FrontProcess::Start(parts_);
    if (front.ok()) {
      log_->Write(LogLevel::kInfo, "another glovebox-front serves TCP",
                  {{"pid", absl::StrCat((*front)->pid())}});
      return *std::move(front);
    }
    log_->Write(LogLevel::kError, "TCP is not served",
                {{"error", std::string(front.status().message())}});
  }
}

// True: the daemon takes no connections any more.
bool FrontDoor::WaitForWake(int timeout_ms) {
  pollfd wake{wake_.get(), POLLIN, 0};
  while (::poll(&wake, 1, timeout_ms) < 0 && errno == EINTR) {
  }
  return stopping_.load() || ending_.load();
}

// Until the front has to be replaced, or the door ends.
void FrontDoor::Serve(FrontProcess* front) {
  for (;;) {
    pollfd waiting[] = {{wake_.get(), POLLIN, 0}, {front->control_fd(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) {
      uint64_t times = 0;
      (void)!::read(wake_.get(), &times, sizeof times);  // it was readable
      if (ending_.load()) return;
      parts_.listener.Reset();
      front->StopAccepting();
    }
    if (waiting[1].revents != 0 && !TakeMessage(front)) return;
  }
}

// False: the front is to be replaced.
bool FrontDoor::TakeMessage(FrontProcess* front) {
  absl::StatusOr<Packet> packet = ReceivePacket(front->control_fd(), sizeof(FrontMessage), 1, -1);
  if (absl::IsResourceExhausted(packet.status())) {
    // Its descriptor was closed by the kernel: the front sees that, and lets the client go.
    log_->Write(LogLevel::kError, "a connection was lost",
                {{"error", std::string(packet.status().message())}});
    return true;
  }
  if (packet.ok() && packet->bytes.empty()) return false;
  const absl::Status taken = packet.ok() ? Take(std::move(*packet)) : packet.status();
  if (taken.ok()) return true;
  log_->Write(LogLevel::kError, "glovebox-front is not to be trusted and is ended",
              {{"why", std::string(taken.message())}});
  return false;
}

// An error is the front's fault.
absl::Status FrontDoor::Take(Packet packet) {
  ASSIGN_OR_RETURN(const FrontEvent event, ParseFrontMessage(packet.bytes, packet.fds.size()));
  const LogFields who = {{"address", event.peer.Text()}};
  switch (event.kind) {
    case FrontMessageKind::kReady:
    case FrontMessageKind::kFailed:
      return absl::DataLossError("it says a second time how it started");
    case FrontMessageKind::kRefused:
      refusals_.Write(kRefusalKinds[static_cast<uint32_t>(event.refusal)], event.text, who);
      return absl::OkStatus();
    case FrontMessageKind::kConnection:
      break;
  }
  RETURN_IF_ERROR(CheckHandedOver(packet.fds[0].get()));
  if (stopping_.load()) return absl::OkStatus();
  const absl::Status admitted = admit_(event, std::move(packet.fds[0]));
  if (admitted.ok()) {
    log_->Write(LogLevel::kDebug, "connection accepted", who);
  } else {
    refusals_.Write("daemon", admitted.message(), who);
  }
  return absl::OkStatus();
}

}  // namespace glovebox

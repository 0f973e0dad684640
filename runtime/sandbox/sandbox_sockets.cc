#include "sandbox/sandbox_sockets.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/flat_bytes.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status TooMany(absl::string_view where, uint64_t limit) {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat(limit, " forwarded connections and waits for ports are open ",
                                    where, "; close some"),
                       {"FORWARD_LIMIT", {{"limit", absl::StrCat(limit)}}});
}

uint32_t VersionWith(SocketKind kind) {
  switch (kind) {
    case SocketKind::kConnectIpv4:
    case SocketKind::kConnectIpv6:
    case SocketKind::kDiag:
      return kFramesVersionSocket;
    case SocketKind::kListen:
    case SocketKind::kListenLoopback:
    case SocketKind::kDatagrams:
      break;
    case SocketKind::kDiagOfClients:
      return kFramesVersionClients;
  }
  return kFramesVersionListen;
}

absl::Status TooOld() {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       "this sandbox was made by a release that could not reach its ports",
                       {"CAPABILITY_MISSING", {{"remedy", "make a new sandbox"}}});
}

absl::Status NoDescriptor() {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       "the daemon has no descriptor left for a connection",
                       {"DESCRIPTORS_EXHAUSTED", {}});
}

}  // namespace

SandboxSockets::Place::~Place() { sockets_->GiveBack(number_); }

void SandboxSockets::Place::Open(SocketKind kind, uint16_t port, Made made) {
  sockets_->Open({0, kind, port, std::move(made)});
}

absl::StatusOr<std::unique_ptr<SandboxSockets::Place>> SandboxSockets::Enter(const Ended& ended) {
  absl::Status why;
  std::unique_ptr<Place> place;
  {
    absl::MutexLock lock(&mutex_);
    if (places_.size() >= kPlacesMax) return TooMany("in this sandbox", kPlacesMax);
    if (budget_ != nullptr && !budget_->Take()) return TooMany("on this host", budget_->max());
    why = ended_;
    const uint64_t number = next_number_++;
    places_[number] = why.ok() ? ended : nullptr;
    place.reset(new Place(shared_from_this(), number));
  }
  if (!why.ok()) ended(why);
  return place;
}

void SandboxSockets::GiveBack(uint64_t place) {
  Ended forgotten;  // destroyed outside the lock: it may own what calls back here
  absl::MutexLock lock(&mutex_);
  const auto it = places_.find(place);
  if (it == places_.end()) return;
  forgotten = std::move(it->second);
  places_.erase(it);
  if (budget_ != nullptr) budget_->GiveBack();
}

void SandboxSockets::Open(Request request) {
  absl::Status why;
  Made refused;
  {
    absl::MutexLock lock(&mutex_);
    why = ended_;
    if (why.ok()) {
      request.number = next_number_++;
      asked_.push_back(std::move(request));
    } else {
      refused = std::move(request.made);
    }
  }
  if (!why.ok()) return refused(why);
  SendAsked();
}

absl::Status SandboxSockets::Send(const Request& request) const {
  const OpenSocketBody body{request.number, request.kind, request.port, 0};
  return Annotate(init_->Send(FrameKind::kOpenSocket, 0, BytesOf(body)),
                  "the sandbox's init does not answer");
}

void SandboxSockets::SendAsked() {
  std::deque<std::pair<Made, absl::Status>> failed;
  {
    absl::MutexLock lock(&mutex_);
    // What an init of this release speaks is known with its first answer.
    while (init_->version() != 0 && !asked_.empty() && sent_.size() < kSocketsAskedMax) {
      Request request = std::move(asked_.front());
      asked_.pop_front();
      const absl::Status sent =
          init_->version() < VersionWith(request.kind) ? TooOld() : Send(request);
      if (sent.ok()) {
        sent_.push_back(std::move(request));
      } else {
        failed.emplace_back(std::move(request.made), sent);
      }
    }
  }
  for (auto& [made, why] : failed) made(why);
}

absl::Status SandboxSockets::OnAnswer(InitFrame frame) {
  const auto body = frame.As<SocketBody>();
  Made made;
  {
    absl::MutexLock lock(&mutex_);
    if (sent_.empty() || sent_.front().number != body.request) {
      if (!ended_.ok()) return absl::OkStatus();
      return absl::DataLossError("a socket that was not asked for");
    }
    made = std::move(sent_.front().made);
    sent_.pop_front();
  }
  SendAsked();
  if (body.error == 0) {
    made(std::move(frame.descriptor));
  } else {
    made(ErrnoError(body.error, "a socket in the sandbox"));
  }
  return absl::OkStatus();
}

void SandboxSockets::OnDescriptorLost() {
  Made made;
  {
    absl::MutexLock lock(&mutex_);
    if (sent_.empty()) return;  // what init sent was none that was asked for
    made = std::move(sent_.front().made);
    sent_.pop_front();
  }
  SendAsked();
  made(NoDescriptor());
}

void SandboxSockets::End(const absl::Status& why) {
  std::deque<Request> asked, sent;
  std::map<uint64_t, Ended> places;
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_.ok()) return;
    ended_ = why;
    asked = std::exchange(asked_, {});
    sent = std::exchange(sent_, {});
    for (auto& [number, ended] : places_) places[number] = std::exchange(ended, nullptr);
  }
  for (const auto& requests : {&sent, &asked}) {
    for (Request& request : *requests) request.made(why);
  }
  for (const auto& [number, ended] : places) {
    if (ended != nullptr) ended(why);
  }
}

}  // namespace glovebox

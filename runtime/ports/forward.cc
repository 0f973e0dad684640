#include "ports/forward.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

absl::Status Refused(uint16_t port) {
  return DetailedError(
      absl::StatusCode::kUnavailable,
      absl::StrCat("nothing in the sandbox listens on port ", port, " of 127.0.0.1 or ::1"),
      {"CONNECTION_REFUSED", {}});
}

absl::Status TimedOut(uint16_t port) {
  return DetailedError(absl::StatusCode::kDeadlineExceeded,
                       absl::StrCat("what listens on port ", port,
                                    " does not accept connections: its backlog is full"),
                       {"CONNECTION_TIMED_OUT", {}});
}

// Refused, or this kernel has no IPv6 at all.
bool IsNobodyThere(const absl::Status& why) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(why);
  if (!detail.has_value()) return false;
  const auto found = detail->metadata.find("errno");
  if (found == detail->metadata.end()) return false;
  for (const int error : {ECONNREFUSED, EAFNOSUPPORT, EADDRNOTAVAIL, ENETUNREACH}) {
    if (found->second == absl::StrCat(error)) return true;
  }
  return false;
}

}  // namespace

template <typename Note>
void Forward::Tell(Note note) {
  {
    absl::MutexLock lock(&mutex_);
    note(news_);
  }
  Run();
}

void Forward::OnWritten(bool ok) {
  Tell([ok](News& news) { news.written = ok; });
}

void Forward::OnData(std::string data) {
  Tell([&data](News& news) { news.data = std::move(data); });
}

void Forward::OnDataEnd() {
  Tell([](News& news) { news.data_end = true; });
}

void Forward::OnCancel(const absl::Status& why) {
  Tell([&why](News& news) { news.failure.Update(why); });
}

void Forward::OnDeadline() {
  Tell([](News& news) { news.deadline = true; });
}

void Forward::Run() {
  const auto self = shared_from_this();  // the last callback may let go of it
  if (!turn_.Begin()) return;
  do {
    Step();
  } while (!turn_.End());
}

void Forward::Start(std::shared_ptr<Sandbox> sandbox, uint16_t port) {
  Tell([&](News& news) {
    news.sandbox = std::move(sandbox);
    news.port = port;
  });
}

void Forward::Begin(Sandbox* sandbox, uint16_t port) {
  port_ = port;
  absl::StatusOr<std::unique_ptr<SandboxSockets::Place>> place =
      sandbox->EnterSockets([weak = weak_from_this()](const absl::Status& why) {
        if (auto self = weak.lock()) self->OnCancel(why);
      });
  if (place.ok()) {
    place_ = *std::move(place);
    Ask(SocketKind::kConnectIpv4);
  } else {
    Close(place.status());
  }
}

void Forward::Ask(SocketKind kind) {
  phase_ = Phase::kAsking;
  kind_ = kind;
  place_->Open(kind, port_, [weak = weak_from_this()](absl::StatusOr<UniqueFd> made) {
    auto self = weak.lock();
    if (self == nullptr) return;  // and the socket is closed
    self->Tell([&made](News& news) { news.socket = std::move(made); });
  });
}

void Forward::Step() {
  News news;
  {
    absl::MutexLock lock(&mutex_);
    if (phase_ == Phase::kNew && news_.sandbox == nullptr) return;  // kept for then
    news = std::exchange(news_, News());
  }
  if (phase_ == Phase::kFinished) return;
  TakeIn(&news);
  if (phase_ == Phase::kNew && news.failure.ok()) Begin(news.sandbox.get(), news.port);
  if (phase_ != Phase::kClosing && !news.failure.ok()) Close(news.failure);
  if (phase_ == Phase::kAsking && news.socket.has_value()) TakeSocket(*std::move(news.socket));
  if (phase_ == Phase::kConnecting) CheckConnection();
  if ((phase_ == Phase::kAsking || phase_ == Phase::kConnecting) && news.deadline) {
    Close(TimedOut(port_));
  }
  if (phase_ == Phase::kOpen) {
    ToPayload();
    const absl::Status received = FromPayload();
    const bool all_sent = client_end_ == ClientEnd::kPassedOn || !broken_.ok();
    if (!received.ok() || (payload_ended_ && !writing_ && all_sent)) {
      Close(received.ok() ? broken_ : received);
    }
  }
  if (phase_ == Phase::kClosing && !writing_) {
    phase_ = Phase::kFinished;
    client_->Finish(outcome_);  // it may be gone from here on
  }
}

void Forward::TakeIn(News* news) {
  if (news->written.has_value()) {
    writing_ = false;
    // OnCancel may come later, or never.
    if (!*news->written) news->failure.Update(absl::CancelledError("the client has gone"));
    if (client_end_ == ClientEnd::kAsked) client_end_ = ClientEnd::kProved;
  }
  if (news->data.has_value()) {
    reading_ = false;
    pending_ = *std::move(news->data);
    sent_ = 0;
  }
  if (news->data_end) {
    reading_ = false;
    client_end_ = ClientEnd::kClaimed;
  }
}

void Forward::TakeSocket(absl::StatusOr<UniqueFd> made) {
  if (!made.ok()) return TryNext(made.status());
  absl::StatusOr<TcpSocket> socket = TcpSocket::Adopt(*std::move(made));
  if (!socket.ok()) return Close(socket.status());
  socket_.emplace(*std::move(socket));
  const absl::StatusOr<uint64_t> watch =
      events_->AddEdges(socket_->fd(), [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->Run();
      });
  if (!watch.ok()) return Close(watch.status());
  watch_ = *watch;
  phase_ = Phase::kConnecting;
}

void Forward::CheckConnection() {
  const int error = socket_->ConnectionError();
  if (error == EINPROGRESS) return;
  if (error != 0) {
    CloseSocket(/*breaks=*/true);
    return TryNext(ErrnoError(error, absl::StrCat("connect to port ", port_)));
  }
  phase_ = Phase::kOpen;
  Write("", /*end=*/false);
}

// The other address, when there is nobody at this one.
void Forward::TryNext(const absl::Status& why) {
  if (!IsNobodyThere(why)) return Close(why);
  if (kind_ == SocketKind::kConnectIpv4) return Ask(SocketKind::kConnectIpv6);
  Close(Refused(port_));
}

void Forward::Write(std::string data, bool end) {
  writing_ = true;
  client_->Write(std::move(data), end);
}

absl::Status Forward::FromPayload() {
  if (writing_) return absl::OkStatus();
  if (!payload_ended_) {
    std::string data;
    absl::StatusOr<std::optional<bool>> more = socket_->Receive(kForwardPieceBytesMax, &data);
    RETURN_IF_ERROR(more.status());
    if (more->has_value()) {
      payload_ended_ = !**more;
      // That it passes also proves that the client is there.
      if (client_end_ == ClientEnd::kClaimed) client_end_ = ClientEnd::kAsked;
      Write(std::move(data), payload_ended_);
      return absl::OkStatus();
    }
  }
  if (client_end_ != ClientEnd::kClaimed) return absl::OkStatus();
  client_end_ = ClientEnd::kAsked;
  Write("", /*end=*/false);
  return absl::OkStatus();
}

void Forward::ToPayload() {
  if (!broken_.ok()) return;
  while (sent_ < pending_.size()) {
    const absl::StatusOr<size_t> taken = socket_->Send(absl::string_view(pending_).substr(sent_));
    if (!taken.ok()) {
      broken_ = taken.status();
      return;
    }
    if (*taken == 0) return;
    sent_ += *taken;
  }
  pending_.clear();
  sent_ = 0;
  if (client_end_ == ClientEnd::kProved) {
    socket_->EndSending();
    client_end_ = ClientEnd::kPassedOn;
  }
  if (client_end_ != ClientEnd::kNone || reading_) return;
  reading_ = true;
  client_->Read();
}

void Forward::CloseSocket(bool breaks) {
  if (watch_ != 0) events_->Remove(std::exchange(watch_, 0));
  if (breaks && socket_.has_value()) socket_->Break();
  socket_.reset();
}

void Forward::Close(const absl::Status& status) {
  CloseSocket(/*breaks=*/!status.ok());
  place_.reset();
  pending_ = std::string();
  outcome_ = status;
  phase_ = Phase::kClosing;
}

}  // namespace glovebox

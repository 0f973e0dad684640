#include "egress/proxied_connection.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "egress/refusal_words.h"
#include "egress/socks5.h"

namespace glovebox {
namespace {

constexpr int64_t kNanosOfMilli = 1'000'000;
constexpr uint32_t kFirstByteMs = 1000;  // to learn in which words a refusal is said
// Fatal, access_denied (RFC 8446, 6).
constexpr absl::string_view kTlsAlert("\x15\x03\x03\x00\x02\x02\x31", 7);

}  // namespace

ProxiedConnection::ProxiedConnection(std::shared_ptr<SandboxEgress> sandbox, EgressRole role,
                                     tcp::socket client, const ClientCommand& command)
    : sandbox_(std::move(sandbox)),
      shared_(sandbox_->shared),
      role_(role),
      command_(command),
      number_(shared_->next_connection++),
      start_ns_(shared_->clock->MonotonicNanos()),
      start_unix_ms_(absl::ToUnixMillis(shared_->clock->Now())),
      client_(std::move(client)),
      upstream_(*shared_->io),
      client_socket_(&client_),
      client_stream_(&client_socket_),
      deadline_(*shared_->io),
      lookup_(*shared_->io) {
  ++shared_->connections;
  ++sandbox_->open;
  sandbox_->connections.insert(this);
}

ProxiedConnection::~ProxiedConnection() {
  LeavePlaces(0);
  sandbox_->connections.erase(this);
}

awaitable<void> ProxiedConnection::Run() {
  const auto self = shared_from_this();  // until the last line
  Arm(shared_->setup.opening_ms);
  // What was passed on in two pieces would wait for an acknowledgement that clients delay by 40 ms,
  // as TLS 1.3's tickets and the answer behind them are. It need not succeed.
  boost::system::error_code none;
  (void)client_.set_option(tcp::no_delay(true), none);
  const bool transparent = role_ == EgressRole::kTransparent;
  // One co_await in a statement and none behind && or ||: g++ 12 destroys what was not awaited.
  bool going = co_await Ask();
  if (going && !transparent) {
    going = co_await Dial();
  }
  if (going && !transparent) {
    going = co_await Reply();
  }
  if (going && way_ == Way::kUnknown) {
    going = co_await Examine();
  }
  if (going && transparent) {
    going = co_await Dial();
  }
  if (going && !ended_ && way_ == Way::kOpened) {
    co_await ServeOpened();
  } else if (going && !ended_) {
    opened_ = relaying_ = true;
    Tell(EgressEventKind::kOpened, EgressDenial::kNone);
    last_byte_ns_ = shared_->clock->MonotonicNanos();
    Arm(shared_->setup.idle_ms);
    if (way_ == Way::kHttp) {
      co_await RelayHttp();
    } else {
      co_await Relay();
    }
  }
  if (opened_) Tell(EgressEventKind::kClosed, cut_by_);
  deadline_.cancel();
}

// Any way that the name and port have; what is not decided by them, the first bytes decide.
bool ProxiedConnection::Judge() {
  grant_ = asked_.name.has_value() ? sandbox_->rules->Judge(*asked_.name, asked_.port)
                                   : sandbox_->rules->JudgeNameless(asked_.address, asked_.port);
  allowed_ = grant_.allowed();
  if (!allowed_ || grant_.tcp.empty() || grant_.opens) return allowed_;
  way_ = Way::kTcp;
  rule_ = grant_.tcp;
  return true;
}

bool ProxiedConnection::JudgeAgain() {
  if (ended_ || !allowed_) return false;
  EgressDenial denial = EgressDenial::kNone;
  const EgressRules& rules = *sandbox_->rules;
  const EgressGrant now = asked_.name.has_value()
                              ? rules.Judge(*asked_.name, asked_.port)
                              : rules.JudgeNameless(asked_.address, asked_.port);
  denial = now.denial;
  const bool any_way = !now.tcp.empty();
  if (now.allowed() && !any_way && way_ == Way::kTcp) denial = EgressDenial::kNoRule;
  if (now.allowed() && !any_way && way_ == Way::kTls && now.tls.empty()) {
    denial = EgressDenial::kNoRule;
  }
  if (now.allowed() && way_ == Way::kOpened) {
    const bool none = !any_way && now.tls.empty() && now.intercept.empty();
    if (none) denial = EgressDenial::kNoRule;
    if (in_request_ && !none) denial = JudgeUnderWay(now, method_, normal_path_, credential_.get());
  }
  if (now.allowed() && !any_way && way_ == Way::kHttp) {
    denial =
        rules.JudgeRequest(*asked_.name, asked_.port, EgressScheme::kHttp, method_, normal_path_)
            .denial;
  }
  if (denial == EgressDenial::kNone && dialled_.has_value()) denial = rules.JudgeAddress(*dialled_);
  if (denial == EgressDenial::kNone) {
    if (way_ == Way::kUnknown) grant_ = now;
    return http2_ != nullptr && http2_->JudgeAgain() != 0;
  }
  if (!opened_) Tell(EgressEventKind::kRefused, denial);
  Abort(denial);
  return true;
}

void ProxiedConnection::Abort(EgressDenial denial) {
  if (std::exchange(ended_, true)) return;
  cut_by_ = denial;
  boost::system::error_code none;
  for (tcp::socket* const side : {&client_, &upstream_}) {
    ResetOnClose(side);
    (void)side->close(none);
  }
  deadline_.cancel();
  lookup_.cancel();
  if (http2_ != nullptr) http2_->Stop();
}

awaitable<bool> ProxiedConnection::Refuse(EgressDenial denial) {
  allowed_ = false;
  Tell(EgressEventKind::kRefused, denial);
  if (role_ == EgressRole::kTransparent && spoken_ == Spoken::kNothing) {
    // The words depend on who speaks; who waits to be spoken to gets a reset.
    Arm(kFirstByteMs);
    if (early_.empty()) {  // the same
      (void)co_await ReadMore();
    }
    const char first = early_.empty() ? '\0' : early_[0];
    if (first == kTlsHandshake) spoken_ = Spoken::kTls;
    if (absl::ascii_isupper(static_cast<unsigned char>(first))) spoken_ = Spoken::kHttp;
  }
  if (!ended_ && spoken_ == Spoken::kTls) {
    co_await SayLast(std::string(kTlsAlert));
  }
  if (!ended_ && spoken_ == Spoken::kSocks) {
    co_await SayLast(Socks5Reply(Socks5Code::kNotAllowed));
  }
  if (!ended_ && spoken_ == Spoken::kHttp) {
    co_await SayLast(HttpRefusal(StatusOf(denial), DenialWord(denial),
                                 RefusalSentence(asked_, denial, untrusted_)));
  }
  Abort(EgressDenial::kNone);  // it was told
  co_return false;
}

int ProxiedConnection::StatusOf(EgressDenial denial) const {
  constexpr int kForbidden = 403;
  constexpr int kMisdirected = 421;
  constexpr int kBadGateway = 502;
  if (denial == EgressDenial::kOriginNotTrusted) return kBadGateway;
  return denial == EgressDenial::kNameMismatch && inner_ != nullptr ? kMisdirected : kForbidden;
}

// No decision: something is wrong with the request, or the destination does not answer.
awaitable<bool> ProxiedConnection::Fail(const std::string& why, int status) {
  if (ended_) co_return false;
  allowed_ = false;
  if (knows_destination_ && !opened_) Tell(EgressEventKind::kClosed, EgressDenial::kNone);
  if (spoken_ == Spoken::kSocks) {
    co_await SayLast(Socks5Reply(Socks5Code::kHostUnreachable));
  }
  if (spoken_ == Spoken::kHttp) {
    if (status == 0) status = knows_destination_ ? 502 : 400;
    co_await SayLast(
        HttpRefusal(status, "NONE", absl::StrCat("glovebox: this request went nowhere: ", why)));
  }
  Abort(EgressDenial::kNone);
  co_return false;
}

awaitable<void> ProxiedConnection::Say(const std::string& words) {
  const bool said = co_await client_stream_->Write(asio::buffer(words));
  if (!said) Abort(EgressDenial::kNone);
}

// Waits until the client has taken what was said: a close with bytes of its own unread would be a
// reset, which overtakes the words.
awaitable<void> ProxiedConnection::SayLast(const std::string& words) {
  co_await Say(words);
  if (ended_) co_return;
  relaying_ = false;
  Arm(kPartingMs);
  co_await client_stream_->End();
  if (ended_) co_return;
  std::string dropped(kReadBytes, 0);
  for (size_t all = 0; all < kEarlyBytesMax;) {
    auto [error, bytes] = co_await client_.async_read_some(asio::buffer(dropped), kAsTuple);
    if (error || ended_) co_return;
    all += bytes;
  }
}

void ProxiedConnection::Arm(uint32_t ms) {
  if (ended_) return;
  deadline_.expires_after(std::chrono::milliseconds(ms));
  deadline_.async_wait([weak = weak_from_this()](auto error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) self->TimeIsUp();
  });
}

void ProxiedConnection::TimeIsUp() {
  if (relaying_) {
    const int64_t idle_ms = (shared_->clock->MonotonicNanos() - last_byte_ns_) / kNanosOfMilli;
    const int64_t left_ms = int64_t{shared_->setup.idle_ms} - idle_ms;
    if (left_ms > 0) return Arm(static_cast<uint32_t>(left_ms));
  }
  Abort(EgressDenial::kNone);
}

void ProxiedConnection::Tell(EgressEventKind kind, EgressDenial denial) {
  EgressMessage event;
  event.event = kind;
  event.denial = static_cast<uint32_t>(denial);
  event.connection = number_;
  event.start_unix_ms = start_unix_ms_;
  const int64_t passed_ns = shared_->clock->MonotonicNanos() - start_ns_;
  event.duration_ms = static_cast<uint64_t>(passed_ns / kNanosOfMilli);
  event.sent_bytes = sent_bytes_;
  event.received_bytes = received_bytes_;
  event.port = asked_.port;
  if (dialled_.has_value()) {
    event.has_address = 1;
    event.address = ToWire(*dialled_, asked_.port);
  }
  PutText(asked_.Host(), event.host, sizeof event.host);
  PutText(kind == EgressEventKind::kRefused ? "" : rule_, event.rule, sizeof event.rule);
  PutText(method_, event.method, sizeof event.method);
  PutText(path_, event.path, sizeof event.path);
  sandbox_->Tell(event, command_);
}

}  // namespace glovebox

// TLS that is opened: the client speaks to a certificate of ours, the origin is held to its own,
// and every request in between is judged.
#include <openssl/err.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "egress/http_request.h"
#include "egress/http_response.h"
#include "egress/net_stream.h"
#include "egress/proxied_connection.h"
#include "egress/refusal_words.h"
#include "egress/tls_ends.h"

namespace glovebox {
namespace {

// NOLINTNEXTLINE(misc-unused-using-decls): clang-tidy does not see what is awaited
using asio::experimental::awaitable_operators::operator&&;

constexpr int kBadRequest = 400;
constexpr absl::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

awaitable<void> ProxiedConnection::ServeOpened() {
  const HttpVersion version = co_await ChooseVersion();
  if (ended_) co_return;
  const bool opened = co_await OpenClient(version);
  if (!opened) co_return;
  if (version == HttpVersion::kHttp2) {
    co_await ServeHttp2();
    co_return;
  }
  std::string rest;
  bool going = true;
  while (going && !ended_) {
    request_ = std::make_unique<HttpRequest>();
    const bool read = co_await request_->ReadHead(client_stream_, rest);
    if (ended_) co_return;
    if (!read) {
      if (request_->why().empty()) co_return;  // it has said all, or went away
      (void)co_await Fail(request_->why(), kBadRequest);
      co_return;
    }
    going = co_await ServeRequest();
    if (going) rest = request_->TakeRest();
  }
}

awaitable<bool> ProxiedConnection::OpenClient(HttpVersion version) {
  inner_ = shared_->tls->ServerFor(*asked_.name, &client_, version);
  if (inner_ == nullptr) {
    Abort(EgressDenial::kNone);
    co_return false;
  }
  const auto error = co_await inner_->Accept(std::exchange(early_, std::string()));
  ::ERR_clear_error();
  if (ended_) co_return false;
  if (error) {
    // The client does not take the certificate, or what both speak: nothing can be said to it.
    Tell(EgressEventKind::kClosed, EgressDenial::kNone);
    Abort(EgressDenial::kNone);
    co_return false;
  }
  client_stream_ = inner_.get();
  spoken_ = Spoken::kHttp;
  // A client that was asked for another hello may have named another host in that one; where there
  // are streams, each of them is told.
  if (version == HttpVersion::kHttp1 && !HelloNames(inner_.get(), *asked_.name)) {
    co_return co_await Refuse(EgressDenial::kNameMismatch);
  }
  co_return true;
}

// The request whose head was read. Whether another one may follow it.
awaitable<bool> ProxiedConnection::ServeRequest() {
  target_ = request_->target();
  if (request_->is_http_1_0()) {
    co_return co_await Fail("it is no request of HTTP/1.1", kBadRequest);
  }
  if (!HostFits()) {
    NoteRequest(request_->method());
    co_return co_await Refuse(EgressDenial::kNameMismatch);
  }
  if (!JudgeHttp()) {
    co_return co_await Refuse(grant_.denial);
  }
  in_request_ = true;
  if (!opened_) {
    const bool origin = co_await OpenOrigin();
    if (!origin) co_return false;
  }
  if (request_->TakeExpectation()) {
    const bool said = co_await client_stream_->Write(asio::buffer(kContinue));
    if (!said) Abort(EgressDenial::kNone);
  }
  if (ended_) co_return false;
  const bool going = co_await Exchange();
  in_request_ = false;
  co_return going;
}

awaitable<bool> ProxiedConnection::OpenOrigin() {
  if (origin_ == Origin::kUnmet) {
    co_await MeetOrigin(HttpVersion::kHttp1);
  }
  if (ended_) co_return false;
  if (origin_ == Origin::kFailed) {
    if (!untrusted_.empty()) {
      co_return co_await Refuse(EgressDenial::kOriginNotTrusted);
    }
    co_return co_await Fail(kNoTls);
  }
  BeginRelay();
  co_return true;
}

// The first request goes on.
void ProxiedConnection::BeginRelay() {
  if (std::exchange(opened_, true)) return;
  relaying_ = true;
  Tell(EgressEventKind::kOpened, EgressDenial::kNone);
  last_byte_ns_ = shared_->clock->MonotonicNanos();
  Arm(shared_->setup.idle_ms);
}

// Both directions at once: an origin may answer before it has all. Whether both sides go on.
awaitable<bool> ProxiedConnection::Exchange() {
  Turn turn;
  co_await (SendRequest(&turn) && TakeResponse(&turn));
  if (ended_) co_return false;
  if (turn.sent && turn.keeps) co_return true;
  if (turn.answered) {
    co_await SayLast("");
  }
  Abort(EgressDenial::kNone);
  co_return false;
}

awaitable<void> ProxiedConnection::SendRequest(Turn* turn) {
  const auto count = [this](size_t bytes) { return Count(true, bytes); };
  if (credential_ != nullptr) request_->Add(*credential_);
  turn->sent = co_await request_->Forward(client_stream_, outer_.get(), target_,
                                          /*last=*/request_->has_body(), count);
  if (turn->sent) co_return;
  // Half of it is no request: the origin must not take it for one.
  boost::system::error_code none;
  (void)upstream_.close(none);
}

awaitable<void> ProxiedConnection::TakeResponse(Turn* turn) {
  HttpResponse response;
  const bool read = co_await response.ReadHead(outer_.get(), request_->method() == "HEAD");
  if (ended_) co_return;
  if (read) {
    const auto count = [this](size_t bytes) { return Count(false, bytes); };
    // An origin that does not read a body, as some do not for a method or a path where they expect
    // none, takes it for the next request. That one nobody would have judged, and what follows,
    // with a secret perhaps, would be its body. So nothing follows a body.
    const bool keeps =
        request_->keeps_connection() && response.keeps_connection() && !request_->has_body();
    // Of a request that is still on its way nobody wants the rest.
    const bool last = !keeps || !request_->is_read();
    if (credential_ != nullptr) response.Remove(*credential_);
    turn->answered = co_await response.Forward(outer_.get(), client_stream_, last, count);
    if (!turn->answered) co_return Abort(EgressDenial::kNone);
    turn->keeps = !last && !response.has_rest();
  } else {
    const std::string words =
        HttpRefusal(502, "NONE", "glovebox: the host did not answer this request");
    co_await Say(words);
    turn->answered = !ended_;
  }
  if (ended_ || turn->keeps) co_return;
  boost::system::error_code none;
  client_.cancel(none);  // what is left of the request
  (void)upstream_.close(none);
}

}  // namespace glovebox

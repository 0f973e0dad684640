// TLS that is opened and in which HTTP/2 is spoken: each stream is judged as a request of HTTP/1.1
// is, and refused in the same words; the connection goes on for the others.
#include <openssl/err.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "egress/http2_relay.h"
#include "egress/proxied_connection.h"
#include "egress/refusal_words.h"
#include "egress/tls_ends.h"

namespace glovebox {
namespace {

constexpr int kBadRequest = 400;
constexpr int kBadGateway = 502;

Http2Refusal WentNowhere(int status, absl::string_view why) {
  return {status, "NONE", absl::StrCat("glovebox: this request went nowhere: ", why)};
}

}  // namespace

class ProxiedConnection::Streams : public Http2Owner {
 public:
  // `origin_fault`: why nothing can be sent to it; empty: it can.
  Streams(ProxiedConnection* connection, std::string origin_fault)
      : connection_(connection), origin_fault_(std::move(origin_fault)) {}

  std::optional<Http2Refusal> Judge(Http2Request* request, Http2Judged* judged) override;
  std::optional<Http2Refusal> JudgeAgain(const Http2Judged& judged) override;
  bool Count(bool sending, size_t bytes) override { return connection_->Count(sending, bytes); }
  void Touch() override {
    connection_->last_byte_ns_ = connection_->shared_->clock->MonotonicNanos();
  }
  void LeaveOrigin() override {
    boost::system::error_code none;
    (void)connection_->upstream_.close(none);
  }
  void LeaveBoth() override {
    LeaveOrigin();
    boost::system::error_code none;
    connection_->client_.cancel(none);
  }

 private:
  bool HostFits(const Http2Request& request) const;
  Http2Refusal Refuse(EgressDenial denial);

  ProxiedConnection* const connection_;
  const std::string origin_fault_;
};

bool ProxiedConnection::Streams::HostFits(const Http2Request& request) const {
  const Destination& asked = connection_->asked_;
  const auto host = ParseAuthority(request.authority, asked.port);
  return request.same_host && host.ok() && host->Host() == asked.Host() &&
         host->port == asked.port && HelloNames(connection_->inner_.get(), *asked.name);
}

Http2Refusal ProxiedConnection::Streams::Refuse(EgressDenial denial) {
  connection_->Tell(EgressEventKind::kRefused, denial);
  return {connection_->StatusOf(denial), std::string(DenialWord(denial)),
          RefusalSentence(connection_->asked_, denial, connection_->untrusted_)};
}

std::optional<Http2Refusal> ProxiedConnection::Streams::Judge(Http2Request* request,
                                                              Http2Judged* judged) {
  ProxiedConnection& of = *connection_;
  if (!request->why.empty()) return WentNowhere(kBadRequest, request->why);
  of.target_ = request->path;
  of.NoteRequest(request->method);
  if (!HostFits(*request)) return Refuse(EgressDenial::kNameMismatch);
  const bool plain = !of.target_.empty() && of.target_[0] == '/';  // no "*", no CONNECT
  if (!plain) return Refuse(EgressDenial::kRequestNotAllowed);
  if (!of.JudgeOpened()) return Refuse(of.grant_.denial);
  if (of.origin_ == Origin::kFailed || !origin_fault_.empty()) {
    Http2Refusal refusal = of.untrusted_.empty() ? WentNowhere(kBadGateway, origin_fault_)
                                                 : Refuse(EgressDenial::kOriginNotTrusted);
    refusal.is_last = true;  // another connection may find the origin as it should be
    return refusal;
  }
  of.BeginRelay();
  *judged = {of.method_, of.target_, of.normal_path_, of.credential_};
  if (of.credential_ != nullptr) AddCredential(*of.credential_, &request->fields);
  return std::nullopt;
}

std::optional<Http2Refusal> ProxiedConnection::Streams::JudgeAgain(const Http2Judged& judged) {
  ProxiedConnection& of = *connection_;
  const EgressGrant ways = of.sandbox_->rules->Judge(*of.asked_.name, of.asked_.port);
  const EgressDenial denial =
      of.JudgeUnderWay(ways, judged.method, judged.normal_path, judged.credential.get());
  if (denial == EgressDenial::kNone) return std::nullopt;
  of.method_ = judged.method;
  of.path_ = judged.normal_path.value_or("");
  return Refuse(denial);
}

// It may hold what two connections of HTTP/1.1 hold, and counts for as many.
bool ProxiedConnection::TakeSecondPlace() {
  const uint32_t left = shared_->setup.connections_max - shared_->connections;
  if (sandbox_->open >= sandbox_->rules->limits().connections_max || sandbox_->open >= left) {
    return false;
  }
  ++shared_->connections;
  ++sandbox_->open;
  ++places_;
  return true;
}

void ProxiedConnection::LeavePlaces(uint32_t left) {
  shared_->connections -= places_ - left;
  sandbox_->open -= places_ - left;
  places_ = left;
  if (left != 0 || !std::exchange(wide_, false)) return;
  --shared_->wide;
  --sandbox_->wide;
}

bool ProxiedConnection::TakeWide() {
  if (shared_->wide >= EgressShared::kWideMax ||
      sandbox_->wide >= EgressShared::kWideOfSandboxMax) {
    return false;
  }
  ++shared_->wide;
  ++sandbox_->wide;
  return wide_ = true;
}

// What both sides are to speak. A client that offers HTTP/2 is offered what its origin chose; where
// there is no origin to choose, what its answers are read in.
awaitable<HttpVersion> ProxiedConnection::ChooseVersion() {
  if (!hello_.offers_http2()) co_return HttpVersion::kHttp1;
  if (!TakeSecondPlace()) {
    // Who offers nothing else gets no connection from here.
    if (!hello_.offers_http1()) Tell(EgressEventKind::kRefused, EgressDenial::kLimit);
    co_return HttpVersion::kHttp1;
  }
  co_await MeetOrigin(HttpVersion::kHttp2);
  if (ended_) co_return HttpVersion::kHttp1;
  const bool met = origin_ == Origin::kMet;
  if (met && VersionOf(outer_.get()) == HttpVersion::kHttp2) co_return HttpVersion::kHttp2;
  if (!hello_.offers_http1()) co_return HttpVersion::kHttp2;
  LeavePlaces(1);
  co_return HttpVersion::kHttp1;
}

awaitable<void> ProxiedConnection::MeetOrigin(HttpVersion version) {
  outer_ = shared_->tls->ClientFor(*asked_.name, &upstream_, version);
  if (outer_ == nullptr) {
    Abort(EgressDenial::kNone);
    co_return;
  }
  const auto error = co_await outer_->Connect();
  ::ERR_clear_error();
  origin_ = error ? Origin::kFailed : Origin::kMet;
  if (error) untrusted_ = WhyNotTrusted(outer_.get());
}

awaitable<void> ProxiedConnection::ServeHttp2() {
  std::string fault;
  if (origin_ != Origin::kMet) {
    fault = kNoTls;
  } else if (VersionOf(outer_.get()) != HttpVersion::kHttp2) {
    fault = "it does not speak HTTP/2, and this client nothing else";
  }
  Streams streams(this, fault);
  const Http2End::Windows answers = TakeWide() ? Http2Relay::kWideAnswers : Http2Relay::kAnswers;
  http2_ =
      std::make_unique<Http2Relay>(&streams, client_stream_, fault.empty() ? outer_.get() : nullptr,
                                   answers, shared_->clock, shared_->io);
  const bool said = co_await http2_->Run();
  http2_.reset();
  if (ended_) co_return;
  if (said) {
    co_await SayLast("");
  }
  Abort(EgressDenial::kNone);
}

}  // namespace glovebox

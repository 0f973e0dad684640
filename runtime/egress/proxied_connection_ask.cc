// Where a connection is to go, and what its client says first.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "egress/client_hello.h"
#include "egress/proxied_connection.h"
#include "egress/socks5.h"

namespace glovebox {

awaitable<bool> ProxiedConnection::Ask() {
  switch (role_) {
    case EgressRole::kTransparent:
      return AskTransparent();
    case EgressRole::kHttpProxy:
      return AskHttpProxy();
    case EgressRole::kSocks5:
    case EgressRole::kDnsUdp:
    case EgressRole::kDnsTcp:
    case EgressRole::kClientDiag:
      break;
  }
  return AskSocks();
}

IpAddress ProxiedConnection::CameTo() const {
  boost::system::error_code error;
  const tcp::endpoint local = client_.local_endpoint(error);
  return error ? IpAddress() : FromAsio(local.address());
}

awaitable<bool> ProxiedConnection::AskTransparent() {
  boost::system::error_code error;
  asked_.port = client_.local_endpoint(error).port();
  asked_.address = CameTo();
  knows_destination_ = true;
  if (const HostName* const name = sandbox_->names.NameOf(asked_.address); name != nullptr) {
    asked_.name = *name;
    if (Judge()) co_return true;
    co_return co_await Refuse(grant_.denial);
  }
  if (!SyntheticNames::IsSynthetic(asked_.address)) {
    grant_ = sandbox_->rules->JudgeNameless(asked_.address, asked_.port);
    if (grant_.allowed()) {
      allowed_ = true;
      way_ = Way::kTcp;
      rule_ = grant_.tcp;
      co_return true;
    }
  } else {
    grant_.denial = EgressDenial::kNoRule;
  }
  // At a port of no rule nothing that the client says could change that.
  if (sandbox_->rules->mode() != EgressMode::kAllowList || !sandbox_->rules->HasPort(asked_.port)) {
    co_return co_await Refuse(grant_.denial);
  }
  // An allow list has names alone. What the client names itself is as good as any: it is resolved
  // here, and the address that the connection came to is forgotten.
  if (!co_await ReadOpening()) co_return false;
  std::optional<HostName> name;
  if (spoken_ == Spoken::kTls) {
    if (hello_read_) name = hello_.server_name();
  } else if (spoken_ == Spoken::kHttp) {
    const auto host = ParseAuthority(request_->host(), asked_.port);
    if (host.ok()) name = host->name;
  }
  if (!name.has_value()) {
    co_return co_await Refuse(EgressDenial::kNoRule);
  }
  asked_.name = name;
  if (Judge()) co_return true;
  co_return co_await Refuse(grant_.denial);
}

awaitable<bool> ProxiedConnection::AskHttpProxy() {
  spoken_ = Spoken::kHttp;
  request_ = std::make_unique<HttpRequest>();
  if (!co_await request_->ReadHead(&client_socket_, "")) {
    if (!request_->why().empty()) {
      co_return co_await Fail(request_->why());
    }
    co_return false;
  }
  if (request_->method() == "CONNECT") {
    absl::StatusOr<Destination> asked = ParseAuthority(request_->target(), 0);
    if (!asked.ok()) {
      co_return co_await Fail(std::string(asked.status().message()));
    }
    asked_ = *std::move(asked);
    knows_destination_ = true;
    early_ = request_->TakeRest();
    request_.reset();
    if (Judge()) co_return true;
    co_return co_await Refuse(grant_.denial);
  }
  absl::StatusOr<AbsoluteUri> uri = ParseAbsoluteUri(request_->target());
  if (!uri.ok()) {
    co_return co_await Fail(std::string(uri.status().message()));
  }
  asked_ = uri->destination;
  target_ = uri->target;
  knows_destination_ = true;
  if (!Judge()) {
    co_return co_await Refuse(grant_.denial);
  }
  if (!HostFits()) {
    co_return co_await Refuse(EgressDenial::kNameMismatch);
  }
  if (!JudgeHttp()) {
    co_return co_await Refuse(grant_.denial);
  }
  co_return true;
}

awaitable<bool> ProxiedConnection::AskSocks() {
  spoken_ = Spoken::kSocks;
  Socks5Parsed parsed = ParseSocks5Greeting(early_);
  while (parsed.state == Socks5Parsed::State::kMore) {
    if (!co_await ReadMore()) co_return false;
    parsed = ParseSocks5Greeting(early_);
  }
  if (parsed.state == Socks5Parsed::State::kRefused) {
    co_await SayLast(Socks5GreetingReply(false));
    co_return false;
  }
  co_await Say(Socks5GreetingReply(true));
  early_.erase(0, parsed.bytes);
  std::optional<Destination> asked;
  parsed = ParseSocks5Request(early_, &asked);
  while (parsed.state == Socks5Parsed::State::kMore) {
    if (!co_await ReadMore()) co_return false;
    parsed = ParseSocks5Request(early_, &asked);
  }
  if (parsed.state == Socks5Parsed::State::kRefused) {
    co_await SayLast(Socks5Reply(parsed.code));
    co_return false;
  }
  early_.erase(0, parsed.bytes);
  asked_ = *std::move(asked);
  knows_destination_ = true;
  if (Judge()) co_return true;
  co_return co_await Refuse(grant_.denial);
}

awaitable<bool> ProxiedConnection::ReadMore() {
  if (early_.size() >= kEarlyBytesMax) co_return false;
  const size_t before = early_.size();
  early_.resize(before + kReadBytes);
  auto [error, bytes] =
      co_await client_.async_read_some(asio::buffer(early_.data() + before, kReadBytes), kAsTuple);
  early_.resize(before + bytes);
  co_return !error && !ended_;
}

// Until it is known what the client speaks, and whom it names.
awaitable<bool> ProxiedConnection::ReadOpening() {
  if (early_.empty()) {
    const bool read = co_await ReadMore();
    if (!read) co_return false;
  }
  bool known = false;
  if (early_[0] == kTlsHandshake) {
    known = co_await ReadHello();
  } else {
    known = co_await ReadHttpHead();
  }
  co_return known;
}

awaitable<bool> ProxiedConnection::ReadHello() {
  spoken_ = Spoken::kTls;
  hello_ = ClientHelloReader();
  ClientHelloReader::State state = hello_.Feed(early_);
  while (state == ClientHelloReader::State::kMore) {
    const size_t before = early_.size();
    const bool read = co_await ReadMore();
    if (!read) co_return false;
    state = hello_.Feed(absl::string_view(early_).substr(before));
  }
  hello_read_ = state == ClientHelloReader::State::kDone;
  co_return true;
}

awaitable<bool> ProxiedConnection::ReadHttpHead() {
  request_ = std::make_unique<HttpRequest>();
  const bool read = co_await request_->ReadHead(&client_socket_, early_);
  early_.clear();
  if (read) {
    spoken_ = Spoken::kHttp;
    co_return true;
  }
  if (ended_) co_return false;
  // Neither TLS nor HTTP: nothing that could name a host.
  const EgressDenial denial = grant_.allowed() ? EgressDenial::kNameMismatch : grant_.denial;
  const bool refused = co_await Refuse(denial);
  co_return refused;
}

awaitable<bool> ProxiedConnection::Examine() {
  const bool read_before = spoken_ == Spoken::kTls || request_ != nullptr;
  if (!read_before) {
    spoken_ = Spoken::kNothing;
    const bool read = co_await ReadOpening();
    if (!read) co_return false;
  }
  bool fits = false;
  if (spoken_ == Spoken::kTls) {
    fits = co_await ExamineTls();
  } else {
    fits = co_await ExamineHttp();
  }
  co_return fits;
}

awaitable<bool> ProxiedConnection::ExamineTls() {
  // A rule that wants nothing looked at is enough, unless a secret may be needed.
  const bool opens = grant_.opens || (grant_.tls.empty() && !grant_.intercept.empty());
  const bool named = hello_read_ && hello_.server_name() == asked_.name;
  // What another hello inside names is nobody's secret where TLS ends here: it is not answered.
  if (!named || (grant_.tls.empty() && !opens) || (hello_.encrypted() && !opens)) {
    co_return co_await Refuse(EgressDenial::kNameMismatch);
  }
  if (opens) {
    way_ = Way::kOpened;
    rule_ = grant_.intercept;
    co_return true;
  }
  way_ = Way::kTls;
  rule_ = grant_.tls;
  co_return true;
}

awaitable<bool> ProxiedConnection::ExamineHttp() {
  target_ = request_->target();
  if (grant_.http.empty() || !HostFits()) {
    co_return co_await Refuse(EgressDenial::kNameMismatch);
  }
  if (JudgeHttp()) co_return true;
  co_return co_await Refuse(grant_.denial);
}

bool ProxiedConnection::HostFits() const {
  const auto host = ParseAuthority(request_->host(), asked_.port);
  return host.ok() && host->Host() == asked_.Host() && host->port == asked_.port;
}

void ProxiedConnection::NoteRequest(std::string method) {
  method_ = std::move(method);
  path_ = target_.substr(0, target_.find('?'));
  normal_path_.reset();
  if (absl::StatusOr<std::string> path = NormalPath(target_); path.ok()) {
    // What was judged is what is sent.
    target_ = absl::StrCat(*path, target_.substr(std::min(target_.size(), target_.find('?'))));
    normal_path_ = *std::move(path);
  }
}

// The request that was read, by the rules for the name; grant_.denial says why not.
bool ProxiedConnection::JudgeHttp() {
  NoteRequest(request_->method());
  const bool plain = !target_.empty() && target_[0] == '/';  // no "*", no absolute URI
  if (!plain) {
    grant_.denial = EgressDenial::kRequestNotAllowed;
    return false;
  }
  if (way_ == Way::kOpened) return JudgeOpened();
  if (way_ == Way::kTcp) {  // of a rule that does not look, or of mode kFull
    way_ = Way::kHttp;
    return true;
  }
  const EgressRequestGrant judged = sandbox_->rules->JudgeRequest(
      *asked_.name, asked_.port, EgressScheme::kHttp, method_, normal_path_);
  grant_.denial = judged.denial;
  way_ = Way::kHttp;
  rule_ = judged.rule;
  return judged.denial == EgressDenial::kNone;
}

// Of a request over opened TLS. A rule that needs none of this allows all but what is never passed
// on; one with a credential comes before it.
EgressRequestGrant ProxiedConnection::OpenedGrant(
    const EgressGrant& now, const std::string& method,
    const std::optional<std::string>& normal_path) const {
  EgressRequestGrant judged = sandbox_->rules->JudgeRequest(
      *asked_.name, asked_.port, EgressScheme::kHttps, method, normal_path);
  const std::string& unseen = now.tcp.empty() ? now.tls : now.tcp;
  if (judged.credential != nullptr || judged.denial == EgressDenial::kSecretMissing) return judged;
  if (!unseen.empty() && !IsNeverPassedOn(method)) {
    judged = {unseen, EgressDenial::kNone, nullptr};
  }
  return judged;
}

// A request that got a secret which the rules do not give it now must not go on with it.
EgressDenial ProxiedConnection::JudgeUnderWay(const EgressGrant& now, const std::string& method,
                                              const std::optional<std::string>& normal_path,
                                              const CredentialHeader* credential) const {
  const EgressRequestGrant judged = OpenedGrant(now, method, normal_path);
  if (judged.denial != EgressDenial::kNone) return judged.denial;
  return CredentialHeader::Fits(credential, judged.credential.get())
             ? EgressDenial::kNone
             : EgressDenial::kRequestNotAllowed;
}

// By the rules of now, which may be others than those that it was opened by.
bool ProxiedConnection::JudgeOpened() {
  EgressRequestGrant judged =
      OpenedGrant(sandbox_->rules->Judge(*asked_.name, asked_.port), method_, normal_path_);
  grant_.denial = judged.denial;
  if (judged.denial != EgressDenial::kNone) return false;
  rule_ = judged.rule;
  credential_ = std::move(judged.credential);
  return true;
}

}  // namespace glovebox

#include "egress/http_request.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "egress/http_fields.h"
#include "egress/http_pieces.h"

namespace glovebox {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kReadBytes = 4096;

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 421:
      return "Misdirected Request";
    default:
      return "Bad Gateway";
  }
}

}  // namespace

struct HttpRequest::Parts {
  beast::flat_buffer buffer{kHeadBytesMax + kBodyPieceBytes};
  http::request_parser<http::buffer_body> parser;
};

HttpRequest::HttpRequest() : parts_(std::make_unique<Parts>()) {
  parts_->parser.header_limit(kHeadBytesMax);
  parts_->parser.body_limit(std::numeric_limits<uint64_t>::max());  // counted by the policy
}

HttpRequest::~HttpRequest() = default;

awaitable<bool> HttpRequest::ReadHead(NetStream* client, absl::string_view early) {
  auto& [buffer, parser] = *parts_;
  std::string raw(early);  // bounded with the head, which the parser holds to its limit
  buffer.commit(asio::buffer_copy(buffer.prepare(raw.size()), asio::buffer(raw)));
  for (;;) {
    boost::system::error_code error;
    if (buffer.size() != 0) buffer.consume(parser.put(buffer.data(), error));
    if (parser.is_header_done()) break;
    if (error && error != http::error::need_more) {
      why_ = "it is no request of HTTP/1.1";
      co_return false;
    }
    const auto room = buffer.prepare(kReadBytes);
    const NetStream::Got got = co_await client->Read(room);
    if (got.error) co_return false;
    raw.append(static_cast<const char*>(room.data()), got.bytes);
    buffer.commit(got.bytes);
  }
  co_return Check(absl::string_view(raw).substr(0, raw.find("\r\n\r\n")));
}

bool HttpRequest::Check(absl::string_view head) {
  const auto& request = parts_->parser.get();
  if (absl::StrContains(head, "\n ") || absl::StrContains(head, "\n\t")) {
    why_ = "it has a header over two lines";  // which Beast unfolds
  } else if (request.count(http::field::host) != 1) {
    why_ = "it has not exactly one Host";
  } else if (request.count(http::field::transfer_encoding) > 1 ||
             (request.count(http::field::transfer_encoding) == 1 &&
              !absl::EqualsIgnoreCase(std::string(request[http::field::transfer_encoding]),
                                      "chunked"))) {
    why_ = "it has a transfer coding but chunked";
  } else if (!LengthIsPlain(request)) {
    why_ = "its length is told twice, or is no number";
  }
  has_body_ = !parts_->parser.is_done();
  return why_.empty();
}

std::string HttpRequest::method() const {
  return std::string(parts_->parser.get().method_string());
}
std::string HttpRequest::target() const { return std::string(parts_->parser.get().target()); }
std::string HttpRequest::host() const {
  return std::string(parts_->parser.get()[http::field::host]);
}

bool HttpRequest::TakeExpectation() {
  auto& request = parts_->parser.get();
  const bool waits = has_body_ && absl::EqualsIgnoreCase(std::string(request[http::field::expect]),
                                                         "100-continue");
  request.erase(http::field::expect);
  return waits;
}
bool HttpRequest::is_http_1_0() const { return parts_->parser.get().version() < 11; }
bool HttpRequest::keeps_connection() const { return parts_->parser.keep_alive(); }

bool HttpRequest::is_read() const { return parts_->parser.is_done(); }

std::string HttpRequest::TakeRest() {
  const auto data = parts_->buffer.data();
  std::string rest(static_cast<const char*>(data.data()), data.size());
  parts_->buffer.consume(rest.size());
  return rest;
}

void HttpRequest::RemoveHops(bool last) {
  auto& request = parts_->parser.get();
  for (const char* hop : {"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authorization",
                          "Upgrade", "HTTP2-Settings", "TE", "Trailer"}) {
    request.erase(hop);
  }
  std::vector<std::string> others;
  for (const auto& field : request) {
    const std::string name(field.name_string());
    if (NamesAnotherRequest(name)) others.push_back(name);
  }
  for (const std::string& name : others) request.erase(name);
  if (last) request.set(http::field::connection, "close");
}

// Also "x_api_key" goes for "x-api-key": some programs take either for it.
void HttpRequest::Add(const CredentialHeader& credential) {
  auto& request = parts_->parser.get();
  std::vector<std::string> others;
  for (const auto& field : request) {
    const std::string name(field.name_string());
    if (IsNamedAs(name, credential.name())) others.push_back(name);
  }
  for (const std::string& name : others) request.erase(name);
  request.set(credential.name(), credential.value());
}

awaitable<bool> HttpRequest::Forward(NetStream* client, NetStream* upstream,
                                     const std::string& target, bool last,
                                     std::function<bool(size_t)> count) {
  auto& [buffer, parser] = *parts_;
  parser.get().target(target);
  RemoveHops(last);
  const bool sent =
      co_await PassOn(&parser, &buffer, client, upstream, /*until_end=*/false, std::move(count));
  co_return sent;
}

std::string HttpRefusal(int status, absl::string_view reason, absl::string_view sentence) {
  const std::string body = absl::StrCat(sentence, "\n");
  return absl::StrCat(
      "HTTP/1.1 ", status, " ", ReasonPhrase(status), "\r\nX-Glovebox-Policy: ", reason,
      "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ", body.size(),
      "\r\nConnection: close\r\n\r\n", body);
}

}  // namespace glovebox

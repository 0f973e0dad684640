#include "egress/http_request.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace glovebox {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kBodyPieceBytes = size_t{64} << 10;
constexpr size_t kReadBytes = 4096;

// As it is written: a line for the request, one for each field, an empty one.
template <typename Header>
size_t HeadBytes(const Header& head) {
  size_t bytes = head.method_string().size() + head.target().size() +
                 absl::string_view("  HTTP/1.1\r\n\r\n").size();
  for (const auto& field : head) {
    bytes += field.name_string().size() + field.value().size() + absl::string_view(": \r\n").size();
  }
  return bytes;
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

awaitable<bool> HttpRequest::ReadHead(tcp::socket* client, absl::string_view early) {
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
    auto [failed, bytes] = co_await client->async_read_some(room, kAsTuple);
    if (failed) co_return false;
    raw.append(static_cast<const char*>(room.data()), bytes);
    buffer.commit(bytes);
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
  } else if (request.count(http::field::transfer_encoding) +
                 request.count(http::field::content_length) >
             1) {
    why_ = "its length is told twice";
  }
  return why_.empty();
}

std::string HttpRequest::method() const {
  return std::string(parts_->parser.get().method_string());
}
std::string HttpRequest::target() const { return std::string(parts_->parser.get().target()); }
std::string HttpRequest::host() const {
  return std::string(parts_->parser.get()[http::field::host]);
}

std::string HttpRequest::TakeRest() {
  const auto data = parts_->buffer.data();
  std::string rest(static_cast<const char*>(data.data()), data.size());
  parts_->buffer.consume(rest.size());
  return rest;
}

awaitable<bool> HttpRequest::Forward(tcp::socket* client, tcp::socket* upstream,
                                     const std::string& target, std::function<bool(size_t)> count) {
  auto& parser = parts_->parser;
  auto& request = parser.get();
  request.target(target);
  for (const char* hop : {"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authorization",
                          "Upgrade", "HTTP2-Settings", "TE", "Trailer", "X-HTTP-Method",
                          "X-HTTP-Method-Override", "X-Method-Override"}) {
    request.erase(hop);
  }
  request.set(http::field::connection, "close");
  http::request_serializer<http::buffer_body> serializer(request);
  if (!count(HeadBytes(request))) co_return false;
  {
    auto [error, bytes] = co_await http::async_write_header(*upstream, serializer, kAsTuple);
    if (error) co_return false;
  }
  std::string piece;
  while (!serializer.is_done()) {
    auto& body = request.body();
    if (parser.is_done()) {
      body.data = nullptr;
      body.size = 0;
      body.more = false;
    } else {
      piece.resize(kBodyPieceBytes);
      body.data = piece.data();
      body.size = piece.size();
      auto [error, bytes] = co_await http::async_read(*client, parts_->buffer, parser, kAsTuple);
      if (error && error != http::error::need_buffer) co_return false;
      body.size = piece.size() - body.size;
      body.data = piece.data();
      body.more = !parser.is_done();
      if (!count(body.size)) co_return false;
    }
    auto [error, bytes] = co_await http::async_write(*upstream, serializer, kAsTuple);
    if (error && error != http::error::need_buffer) co_return false;
  }
  co_return true;
}

std::string HttpRefusal(int status, absl::string_view reason, absl::string_view sentence) {
  const std::string body = absl::StrCat(sentence, "\n");
  return absl::StrCat("HTTP/1.1 ", status,
                      status == 403   ? " Forbidden"
                      : status == 400 ? " Bad Request"
                                      : " Bad Gateway",
                      "\r\nX-Glovebox-Policy: ", reason,
                      "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
                      body.size(), "\r\nConnection: close\r\n\r\n", body);
}

}  // namespace glovebox

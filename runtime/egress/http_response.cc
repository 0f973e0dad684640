#include "egress/http_response.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "egress/http_pieces.h"

namespace glovebox {
namespace {

namespace http = boost::beast::http;

constexpr size_t kReadBytes = 4096;

}  // namespace

struct HttpResponse::Parts {
  boost::beast::flat_buffer buffer{kHeadBytesMax + kBodyPieceBytes};
  std::optional<http::response_parser<http::buffer_body>> parser;
};

HttpResponse::HttpResponse() : parts_(std::make_unique<Parts>()) {}
HttpResponse::~HttpResponse() = default;

awaitable<bool> HttpResponse::ReadOneHead(NetStream* origin, bool of_head) {
  auto& buffer = parts_->buffer;
  auto& parser = parts_->parser.emplace();
  parser.header_limit(kHeadBytesMax);
  parser.body_limit(std::numeric_limits<uint64_t>::max());  // counted by the policy
  parser.skip(of_head);
  while (!parser.is_header_done()) {
    boost::system::error_code error = http::error::need_more;
    if (buffer.size() != 0) buffer.consume(parser.put(buffer.data(), error));
    if (error && error != http::error::need_more) co_return false;
    if (parser.is_header_done()) break;
    const auto room = buffer.prepare(kReadBytes);
    const NetStream::Got got = co_await origin->Read(room);
    if (got.error) co_return false;
    buffer.commit(got.bytes);
  }
  co_return true;
}

awaitable<bool> HttpResponse::ReadHead(NetStream* origin, bool of_head) {
  for (int i = 0; i < kInterimMax; ++i) {
    const bool read = co_await ReadOneHead(origin, of_head);
    if (!read) co_return false;
    if (!LengthIsPlain(parts_->parser->get())) co_return false;
    const unsigned status = parts_->parser->get().result_int();
    if (status == 101) co_return false;
    if (status >= 200) co_return true;
  }
  co_return false;
}

void HttpResponse::Remove(const CredentialHeader& credential) {
  auto& head = parts_->parser->get();
  if (credential.IsIn(std::string(head.reason()))) head.reason("");
  std::vector<std::pair<std::string, std::string>> kept;
  bool found = false;
  for (const auto& field : head) {
    auto& [name, value] = kept.emplace_back(field.name_string(), field.value());
    const bool in_name = credential.IsIn(name);
    const bool in_value = credential.IsIn(value);
    found = found || in_name || in_value;
    if (in_value) value = credential.WithoutIt(value);
    if (in_name) kept.pop_back();
  }
  if (!found) return;
  head.clear();
  for (const auto& [name, value] : kept) head.insert(name, value);
}

awaitable<bool> HttpResponse::Forward(NetStream* origin, NetStream* client, bool last,
                                      std::function<bool(size_t)> count) {
  auto& parser = *parts_->parser;
  auto& head = parser.get();
  const bool until_end = parser.need_eof();
  for (const char* hop : {"Connection", "Proxy-Connection", "Keep-Alive", "Upgrade", "Trailer"}) {
    head.erase(hop);
  }
  head.version(11);
  if (last || until_end) head.set(http::field::connection, "close");
  const bool sent =
      co_await PassOn<false>(&parser, &parts_->buffer, origin, client, until_end, std::move(count));
  co_return sent;
}

bool HttpResponse::keeps_connection() const {
  return parts_->parser->keep_alive() && !parts_->parser->need_eof();
}

bool HttpResponse::has_rest() const { return parts_->buffer.size() != 0; }

}  // namespace glovebox

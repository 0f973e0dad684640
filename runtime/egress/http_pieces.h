// A message of HTTP whose head was read, passed on piece by piece. For the two .cc files that have
// Beast.
#ifndef GLOVEBOX_EGRESS_HTTP_PIECES_H_
#define GLOVEBOX_EGRESS_HTTP_PIECES_H_

#include <algorithm>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/ascii.h"
#include "egress/net_stream.h"

namespace glovebox {

inline constexpr size_t kBodyPieceBytes = size_t{64} << 10;
inline constexpr size_t kBodyReadBytes = size_t{16} << 10;  // a record of TLS

// Whether its length is told once, in one way, and as a plain number: Beast takes "4, 4", and a
// field twice with the same number.
template <typename Fields>
bool LengthIsPlain(const Fields& fields) {
  namespace http = boost::beast::http;
  const auto length = fields[http::field::content_length];
  const auto told = fields.count(http::field::content_length);
  return told + fields.count(http::field::transfer_encoding) <= 1 &&
         std::all_of(length.begin(), length.end(), absl::ascii_isdigit) &&
         (told == 0 || !length.empty());
}

// Some of the body, as soon as there is any, into `piece`. `until_end`: the end of the stream may
// be that of the body.
template <bool kIsRequest>
awaitable<bool> ReadPiece(
    boost::beast::http::parser<kIsRequest, boost::beast::http::buffer_body>* parser,
    boost::beast::flat_buffer* buffer, NetStream* from, bool until_end, std::string* piece) {
  namespace http = boost::beast::http;
  auto& body = parser->get().body();
  piece->resize(kBodyPieceBytes);
  body.data = piece->data();
  body.size = piece->size();
  body.more = true;
  while (!parser->is_done() && body.size == piece->size()) {
    boost::system::error_code error = http::error::need_more;
    if (buffer->size() != 0) buffer->consume(parser->put(buffer->data(), error));
    if (error == http::error::need_buffer) break;
    if (error && error != http::error::need_more) co_return false;
    if (!error || parser->is_done() || body.size != piece->size()) continue;
    const auto room = buffer->prepare(kBodyReadBytes);
    const NetStream::Got got = co_await from->Read(room);
    buffer->commit(got.bytes);
    if (!got.error) continue;
    if (got.error != asio::error::eof || !until_end) co_return false;
    boost::system::error_code unfinished;
    parser->put_eof(unfinished);
    if (unfinished) co_return false;
  }
  piece->resize(piece->size() - body.size);
  co_return true;
}

// Head, as it is in the parser now, and body. `count(bytes)` is told of each piece before it is
// sent, and may forbid it. False: one of the sides failed, or what came is no such body.
template <bool kIsRequest>
awaitable<bool> PassOn(
    boost::beast::http::parser<kIsRequest, boost::beast::http::buffer_body>* parser,
    boost::beast::flat_buffer* buffer, NetStream* from, NetStream* to, bool until_end,
    std::function<bool(size_t)> count) {
  namespace http = boost::beast::http;
  http::serializer<kIsRequest, http::buffer_body> serializer(parser->get());
  serializer.split(true);
  parser->eager(true);
  auto& body = parser->get().body();
  body.data = nullptr;
  body.size = 0;
  body.more = !parser->is_done();
  std::string piece;
  std::string out;
  // An answer may speak of a body that it does not have: to HEAD, 304.
  const bool head_alone = parser->is_done();
  while (!serializer.is_done() && !(head_alone && serializer.is_header_done())) {
    boost::system::error_code error;
    out.clear();
    serializer.next(error, [&](auto& /*error*/, const auto& buffers) {
      for (const auto part : boost::beast::buffers_range_ref(buffers)) {
        out.append(static_cast<const char*>(part.data()), part.size());
      }
    });
    if (error == http::error::need_buffer) {
      const bool read = co_await ReadPiece<kIsRequest>(parser, buffer, from, until_end, &piece);
      if (!read) co_return false;
      body.data = piece.empty() ? nullptr : piece.data();
      body.size = piece.size();
      body.more = !parser->is_done();
      continue;
    }
    if (error) co_return false;
    if (out.empty()) continue;  // the end
    if (!count(out.size())) co_return false;
    const bool written = co_await to->Write(asio::buffer(out));
    if (!written) co_return false;
    serializer.consume(out.size());
  }
  co_return true;
}

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP_PIECES_H_

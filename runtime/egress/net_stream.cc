#include "egress/net_stream.h"

#include <boost/asio/write.hpp>
#include <utility>

namespace glovebox {

awaitable<NetStream::Got> SocketStream::Read(asio::mutable_buffer room) {
  auto [error, bytes] = co_await socket_->async_read_some(room, kAsTuple);
  co_return Got{error, bytes};
}

awaitable<bool> SocketStream::Write(asio::const_buffer bytes) {
  auto [error, written] = co_await asio::async_write(*socket_, bytes, kAsTuple);
  co_return !error;
}

awaitable<void> SocketStream::End() {
  boost::system::error_code none;
  (void)socket_->shutdown(tcp::socket::shutdown_send, none);
  co_return;
}

awaitable<boost::system::error_code> TlsStream::Accept(std::string early) {
  auto [error, bytes] = co_await stream_.async_handshake(asio::ssl::stream_base::server,
                                                         asio::buffer(early), kAsTuple);
  co_return error;
}

awaitable<boost::system::error_code> TlsStream::Connect() {
  auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::client, kAsTuple);
  co_return error;
}

awaitable<NetStream::Got> TlsStream::Read(asio::mutable_buffer room) {
  auto [error, bytes] = co_await stream_.async_read_some(room, kAsTuple);
  co_return Got{error, bytes};
}

awaitable<bool> TlsStream::Write(asio::const_buffer bytes) {
  auto [error, written] = co_await asio::async_write(stream_, bytes, kAsTuple);
  co_return !error;
}

awaitable<void> TlsStream::End() {
  (void)co_await stream_.async_shutdown(kAsTuple);  // fails when more came; it was sent
  boost::system::error_code none;
  (void)stream_.next_layer().shutdown(tcp::socket::shutdown_send, none);
}

}  // namespace glovebox

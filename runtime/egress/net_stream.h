// What HTTP is read from and written to: a connection in the clear, or one whose TLS ends here.
#ifndef GLOVEBOX_EGRESS_NET_STREAM_H_
#define GLOVEBOX_EGRESS_NET_STREAM_H_

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "egress/net_io.h"

namespace glovebox {

// One thread; one read and one write at a time. Closing the socket below ends both.
class NetStream {
 public:
  struct Got {
    boost::system::error_code error;  // asio::error::eof: whole until there
    size_t bytes = 0;
  };
  virtual ~NetStream() = default;
  virtual awaitable<Got> Read(asio::mutable_buffer room) = 0;   // some
  virtual awaitable<bool> Write(asio::const_buffer bytes) = 0;  // all of them; false: it failed
  // Says that nothing follows. Waits for the other side where the protocol has an answer to that.
  virtual awaitable<void> End() = 0;
};

// `socket` outlives it.
class SocketStream : public NetStream {
 public:
  explicit SocketStream(tcp::socket* socket) : socket_(socket) {}
  awaitable<Got> Read(asio::mutable_buffer room) override;
  awaitable<bool> Write(asio::const_buffer bytes) override;
  awaitable<void> End() override;

 private:
  tcp::socket* const socket_;
};

// `socket` and `context` outlive it. Costs about 100 KiB while it lives: OpenSSL's buffers, which
// are given back while nothing is under way, and those of Asio, one record each way.
class TlsStream : public NetStream {
 public:
  TlsStream(tcp::socket* socket, asio::ssl::context* context) : stream_(*socket, *context) {}

  SSL* handle() { return stream_.native_handle(); }
  // `early`: what was read from the socket before. Absent of an error: done.
  awaitable<boost::system::error_code> Accept(std::string early);
  awaitable<boost::system::error_code> Connect();

  awaitable<Got> Read(asio::mutable_buffer room) override;
  awaitable<bool> Write(asio::const_buffer bytes) override;
  awaitable<void> End() override;

 private:
  asio::ssl::stream<tcp::socket&> stream_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_NET_STREAM_H_

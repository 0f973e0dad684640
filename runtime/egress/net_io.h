// Boost.Asio as this folder uses it: coroutines on one thread, errors as values.
#ifndef GLOVEBOX_EGRESS_NET_IO_H_
#define GLOVEBOX_EGRESS_NET_IO_H_

#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <exception>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "egress/egress_wire.h"
#include "policy/ip_address.h"

namespace glovebox {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;

// For co_spawn. An exception is for want of memory. A coroutine that serves more than one
// connection ends the process by it: the successor serves them, which silence would not. One
// connection alone ends with what it holds.
inline constexpr auto kOrExit = [](const std::exception_ptr& error) {
  if (error != nullptr) ::_exit(1);
};
inline constexpr auto kOrNothing = [](const std::exception_ptr&) {};

// co_await gives (error_code, ...) and never throws.
inline constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

tcp::endpoint ToAsio(const IpAddress& address, uint16_t port);
// IPv4 that came to an IPv6 socket is IPv4.
IpAddress FromAsio(const asio::ip::address& address);

EgressEndpoint ToWire(const IpAddress& address, uint16_t port);
IpAddress FromWire(const EgressEndpoint& endpoint);

// Ends with a reset instead of a half-close, when the socket is closed.
void ResetOnClose(tcp::socket* socket);

// A TCP socket of the family, O_CLOEXEC and non-blocking, with keep-alive and without delay.
absl::StatusOr<UniqueFd> MakeTcpSocket(bool is_v6);

// Whether a connection to the address would end on this host: the kernel lets a socket be bound to
// such addresses alone. Also when the host lets everything be bound (ip_nonlocal_bind): then
// nothing can be told apart, and the answer is yes.
bool IsOwnAddress(const IpAddress& address);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_NET_IO_H_

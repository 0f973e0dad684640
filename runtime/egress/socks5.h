// SOCKS version 5 (RFC 1928), CONNECT without authentication: who asks is known by the socket that
// was asked. Bytes of a payload.
#ifndef GLOVEBOX_EGRESS_SOCKS5_H_
#define GLOVEBOX_EGRESS_SOCKS5_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "egress/destination.h"

namespace glovebox {

// Codes of replies.
enum class Socks5Code : uint8_t {
  kGranted = 0,
  kFailure = 1,
  kNotAllowed = 2,
  kHostUnreachable = 4,
  kRefused = 5,
  kCommandUnknown = 7,
  kAddressUnknown = 8,
};

// What a prefix of a stream is. Both parsers want all bytes from the beginning of their message,
// and none of them is over 262 bytes.
struct Socks5Parsed {
  enum class State { kMore, kDone, kRefused };
  State state = State::kMore;
  size_t bytes = 0;                        // of the message, when kDone
  Socks5Code code = Socks5Code::kGranted;  // of a request that is kRefused; the reply says it
};

// The methods of authentication that a client knows. kRefused: "none" is not among them, or it is
// another protocol.
Socks5Parsed ParseSocks5Greeting(absl::string_view bytes);
std::string Socks5GreetingReply(bool granted);

// A name is one, or an address written as one, which some clients send.
Socks5Parsed ParseSocks5Request(absl::string_view bytes, std::optional<Destination>* destination);
std::string Socks5Reply(Socks5Code code);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_SOCKS5_H_

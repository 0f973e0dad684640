// The first message of a TLS client, read without a TLS library and without being answered: whom it
// names. Bytes of a payload.
#ifndef GLOVEBOX_EGRESS_CLIENT_HELLO_H_
#define GLOVEBOX_EGRESS_CLIENT_HELLO_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "policy/host_name.h"

namespace glovebox {

// Reads a hello that comes over any number of segments and records. Work is in proportion to bytes,
// however they are cut. Not thread-safe.
//
// Strict, because the origin reads the same bytes: what two parsers could read differently is
// refused (an extension twice, two names, bytes behind the end of a part, a record without bytes).
class ClientHelloReader {
 public:
  // Of records as they come. A hello with post-quantum key shares has 2 KiB; room for more names
  // and tickets.
  static constexpr size_t kBytesMax = size_t{32} << 10;

  enum class State {
    kMore,     // than was given
    kDone,     // server_name() and encrypted() are right
    kNotTls,   // the first byte says so
    kRefused,  // why() says why
  };

  // `bytes` come behind those that were given before. After any other answer than kMore bytes are
  // ignored and the answer stays.
  State Feed(absl::string_view bytes);

  // Of the name that it asks for (SNI); absent when there is none.
  const std::optional<HostName>& server_name() const { return server_name_; }
  // Whether another hello is encrypted inside (ECH, or its forerunner ESNI): the name that is
  // readable need not be the one that the origin gets. GREASE counts: it cannot be told apart.
  bool encrypted() const { return encrypted_; }
  // Whether HTTP/2, and HTTP/1.1, are among the protocols that it offers (ALPN).
  bool offers_http2() const { return offers_http2_; }
  bool offers_http1() const { return offers_http1_; }
  const char* why() const { return why_; }

 private:
  State Refuse(const char* why);
  bool FeedHeader(uint8_t byte);  // false: refused
  State Parse(absl::string_view hello);
  State ParseExtensions(absl::string_view extensions);
  State ParseServerName(absl::string_view extension);
  State ParseProtocols(absl::string_view extension);

  State state_ = State::kMore;
  const char* why_ = "";
  std::string header_;      // of the record that begins
  size_t record_left_ = 0;  // bytes of the present record
  size_t bytes_ = 0;        // in all
  std::string handshake_;   // the message, out of its records
  std::optional<HostName> server_name_;
  bool encrypted_ = false;
  bool offers_http2_ = false;
  bool offers_http1_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_CLIENT_HELLO_H_

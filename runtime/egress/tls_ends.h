// The two ends of TLS that is opened: a server that sandboxes trust, and a client that trusts what
// the host does.
#ifndef GLOVEBOX_EGRESS_TLS_ENDS_H_
#define GLOVEBOX_EGRESS_TLS_ENDS_H_

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "egress/egress_wire.h"
#include "egress/leaf_minter.h"
#include "egress/net_io.h"
#include "egress/net_stream.h"
#include "policy/host_name.h"

namespace glovebox {

// What is spoken inside, as ALPN says it; to who offers nothing HTTP/1.1.
enum class HttpVersion { kHttp1, kHttp2 };

// TLS 1.2 and 1.3, no sessions and no tickets. One thread.
class TlsEnds {
 public:
  // OpenSSL's state that does not wait, before files and calls are given up: it reads no
  // configuration from then on. Zeroes the key in `setup`. `roots`: a memfd with certificates in
  // PEM. `clock` outlives it. INVALID_ARGUMENT.
  static absl::StatusOr<std::unique_ptr<TlsEnds>> Make(EgressSetup* setup, UniqueFd roots,
                                                       const Clock* clock);

  // With a certificate for the name, and `version` alone. Null: without memory. `socket` outlives
  // it.
  std::unique_ptr<TlsStream> ServerFor(const HostName& name, tcp::socket* socket,
                                       HttpVersion version);
  // That holds the other side to the name, and offers up to `version`. The roots are read when it
  // is called first: who opens nothing pays nothing for them.
  std::unique_ptr<TlsStream> ClientFor(const HostName& name, tcp::socket* socket,
                                       HttpVersion version);

 private:
  TlsEnds(std::unique_ptr<LeafMinter> minter, UniqueFd roots);
  absl::Status SetUp();
  void ReadRoots();

  const std::unique_ptr<LeafMinter> minter_;
  UniqueFd roots_;  // until they were read
  asio::ssl::context server_;
  asio::ssl::context server_http2_;
  asio::ssl::context client_;
};

// Whether the client's hello, the last one when there were two, names it.
bool HelloNames(TlsStream* stream, const HostName& name);

// What the other side of one that is open chose, or was offered.
HttpVersion VersionOf(TlsStream* stream);

// Why the origin's certificate was not taken; empty when that was not it.
std::string WhyNotTrusted(TlsStream* stream);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_TLS_ENDS_H_

// One HTTP request: read strictly, written anew, so that the origin gets what was judged.
#ifndef GLOVEBOX_EGRESS_HTTP_REQUEST_H_
#define GLOVEBOX_EGRESS_HTTP_REQUEST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "egress/destination.h"
#include "egress/net_io.h"
#include "egress/net_stream.h"
#include "policy/credential_header.h"

namespace glovebox {

// Boost.Beast parses; what it lets pass and two servers could read differently is refused on top:
// more than one Host, a transfer coding but "chunked", a header over two lines. In the clear a
// connection has one request: the answer is then passed on unread, and whatever the client says
// behind its request is not passed on at all. Where TLS is opened each has its own HttpRequest,
// which begins with what the one before left (TakeRest). Not thread-safe.
class HttpRequest {
 public:
  static constexpr uint32_t kHeadBytesMax = 32 << 10;

  HttpRequest();
  ~HttpRequest();
  HttpRequest(const HttpRequest&) = delete;
  HttpRequest& operator=(const HttpRequest&) = delete;

  // Reads the head; `early` was read from `client` before. False: the client went away, or why()
  // says what is wrong with it.
  awaitable<bool> ReadHead(NetStream* client, absl::string_view early);
  const std::string& why() const { return why_; }

  std::string method() const;
  std::string target() const;
  std::string host() const;  // the Host header; empty: none
  bool has_body() const { return has_body_; }
  // Whether it has a body and asks first; the origin is not asked then.
  bool TakeExpectation();
  bool is_http_1_0() const;
  bool keeps_connection() const;
  bool is_read() const;  // to its end
  // What came behind what was read, which is taken out: of CONNECT, the client's first bytes.
  std::string TakeRest();

  // To be sent with it, in place of what the client gave of that name.
  void Add(const CredentialHeader& credential);

  // Sends the head with `target` and without what concerns one hop alone, then the body.
  // `count(bytes)` is told of each piece before it is sent, and may forbid it. False: it failed.
  // `last`: the origin is told that no other request follows.
  awaitable<bool> Forward(NetStream* client, NetStream* upstream, const std::string& target,
                          bool last, std::function<bool(size_t)> count);

 private:
  struct Parts;  // Beast's, which only http_request.cc includes
  void RemoveHops(bool last);
  bool Check(absl::string_view head);

  std::unique_ptr<Parts> parts_;
  std::string why_;
  bool has_body_ = false;
};

// A whole answer of ours: status line (of 400, 403, 421 or 502), headers, a sentence. `reason` goes
// into X-Glovebox-Policy.
std::string HttpRefusal(int status, absl::string_view reason, absl::string_view sentence);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP_REQUEST_H_

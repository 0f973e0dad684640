// One answer of an origin whose TLS is opened: read as strictly as a request, since where it ends
// decides whose the next one is.
#ifndef GLOVEBOX_EGRESS_HTTP_RESPONSE_H_
#define GLOVEBOX_EGRESS_HTTP_RESPONSE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "egress/net_stream.h"
#include "policy/credential_header.h"

namespace glovebox {

// Not thread-safe.
class HttpResponse {
 public:
  static constexpr uint32_t kHeadBytesMax = 64 << 10;
  static constexpr int kInterimMax = 16;  // answers of 1xx before it, which are dropped

  HttpResponse();
  ~HttpResponse();
  HttpResponse(const HttpResponse&) = delete;
  HttpResponse& operator=(const HttpResponse&) = delete;

  // `of_head`: the request was HEAD. False: the origin went away, or speaks something else; also
  // when it changes the protocol (101), which nobody asked for.
  awaitable<bool> ReadHead(NetStream* origin, bool of_head);
  // From the header fields, where the origin says it back; a body goes on as it is.
  void Remove(const CredentialHeader& credential);
  // The head without what concerns one hop alone, then the body. `last`: the client is told that no
  // other answer follows. `count`: as of HttpRequest. False: one of the sides failed.
  awaitable<bool> Forward(NetStream* origin, NetStream* client, bool last,
                          std::function<bool(size_t)> count);
  // Of one whose head was read: its end can be told from the next one's beginning, and the origin
  // goes on.
  bool keeps_connection() const;
  // Of one that was forwarded: the origin said more than it was asked.
  bool has_rest() const;

 private:
  struct Parts;
  awaitable<bool> ReadOneHead(NetStream* origin, bool of_head);

  std::unique_ptr<Parts> parts_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP_RESPONSE_H_

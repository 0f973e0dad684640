// Heads of HTTP/2, as lists of fields that libnghttp2 has decoded and held to RFC 9113: pseudo
// fields first and once, names in small letters, no field of one connection. Here is what a proxy
// that judges them adds to that. Pure. Bytes of a payload, and of origins.
#ifndef GLOVEBOX_EGRESS_HTTP2_HEAD_H_
#define GLOVEBOX_EGRESS_HTTP2_HEAD_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "policy/credential_header.h"

namespace glovebox {

struct Http2Field {
  std::string name;
  std::string value;
  bool is_secret = false;  // in no table of a compression
  friend bool operator==(const Http2Field&, const Http2Field&) = default;
};
using Http2Fields = std::vector<Http2Field>;

// What a field counts for against a limit (RFC 9113, 6.5.2).
inline constexpr size_t kHttp2FieldBytes = 32;
size_t BytesOf(const Http2Fields& fields);

struct Http2Request {
  std::string why;  // what is wrong with it; empty: nothing
  std::string method;
  std::string path;                 // with its query, as the client wrote it; of CONNECT empty
  std::string authority;            // or Host, where that is all there is
  bool same_host = true;            // Host, if there is one besides, is the authority
  bool waits_for_continue = false;  // asks before it sends its body
  Http2Fields fields;               // all others that go on, without pseudo fields
};
Http2Request ReadHttp2Request(Http2Fields head);

// In place of what the client gave of that name.
void AddCredential(const CredentialHeader& credential, Http2Fields* fields);
// Of what the client says behind its body.
void RemoveNamed(const CredentialHeader& credential, Http2Fields* fields);
// From what the origin says back.
void RemoveSecret(const CredentialHeader& credential, Http2Fields* fields);

// For the origin. `target` takes the place of the path.
Http2Fields RequestHead(const Http2Request& request, absl::string_view target);

struct Http2Response {
  int status = 0;      // 0: it has none, as trailers
  Http2Fields fields;  // that go on, without pseudo fields
};
Http2Response ReadHttp2Response(Http2Fields head);
Http2Fields ResponseHead(const Http2Response& response);

// Of either side: what may stand behind a body goes on, pseudo fields and those of one hop do not.
Http2Fields Trailers(Http2Fields trailers);

// Of an answer of ours, with a sentence of so many bytes behind it. As HttpRefusal.
Http2Fields Http2RefusalHead(int status, absl::string_view reason, size_t sentence_bytes);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP2_HEAD_H_

// TLS as the API's port speaks it: 1.2 and 1.3, h2, a certificate of the client's that the
// configured authorities vouch for, no resumption and no renegotiation.
#ifndef GLOVEBOX_FRONT_TLS_CONTEXT_H_
#define GLOVEBOX_FRONT_TLS_CONTEXT_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace glovebox {

struct SslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using TlsContext = std::unique_ptr<SSL_CTX, SslFree>;
using TlsEnd = std::unique_ptr<SSL, SslFree>;

// PEM.
struct TlsIdentity {
  std::string certificate;  // the server's, with intermediate ones
  std::string key;
  std::string client_ca;
};

// INVALID_ARGUMENT when OpenSSL does not take one of them. Reads no file.
absl::StatusOr<TlsContext> MakeTlsContext(const TlsIdentity& identity);

// The server's end of a handshake on `fd`, which it does not own.
absl::StatusOr<TlsEnd> MakeTlsEnd(SSL_CTX* context, int fd);

// Whether h2 was agreed on.
bool SpeaksHttp2(const SSL* ssl);

// OpenSSL's word for the latest error of this thread; the queue is empty then.
std::string TakeTlsError();

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_TLS_CONTEXT_H_

// mTLS for the TCP listener.
#ifndef GLOVEBOX_DAEMON_TLS_H_
#define GLOVEBOX_DAEMON_TLS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"

namespace glovebox {

// PEM files.
struct TlsFiles {
  std::string certificate;  // the server's, with intermediate ones
  std::string key;          // of it; nobody but its owner may read it
  std::string client_ca;    // who signs the certificates of clients
};

// A client has to show a certificate of `client_ca`; TLS 1.2 or 1.3. FAILED_PRECONDITION,
// CONFIG_INVALID, when a file is missing, is no PEM, or a key is open to others.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsFiles& files);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_TLS_H_

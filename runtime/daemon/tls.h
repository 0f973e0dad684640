// The certificates of the TCP listener.
#ifndef GLOVEBOX_DAEMON_TLS_H_
#define GLOVEBOX_DAEMON_TLS_H_

#include <string>

#include "absl/status/statusor.h"

namespace glovebox {

// PEM files.
struct TlsFiles {
  std::string certificate;  // the server's, with intermediate ones
  std::string key;          // of it; nobody but its owner may read it
  std::string client_ca;    // who signs the certificates of clients
};

// Their bytes.
struct TlsPems {
  std::string certificate, key, client_ca;
};

// FAILED_PRECONDITION, CONFIG_INVALID, when a file is missing, is no PEM, is not of its key, or a
// key is open to others.
absl::StatusOr<TlsPems> ReadTlsFiles(const TlsFiles& files);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_TLS_H_

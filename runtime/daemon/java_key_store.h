// Certificates in the form that Java reads them in.
#ifndef GLOVEBOX_DAEMON_JAVA_KEY_STORE_H_
#define GLOVEBOX_DAEMON_JAVA_KEY_STORE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace glovebox {

// A JKS with every certificate of `pem` as a trusted one, under Java's own default password
// ("changeit"); what is none in `pem` is passed over. The format is that of OpenJDK's
// sun.security.provider.JavaKeyStore; every release reads it whatever type it expects. Not PKCS12,
// whose mark for trusted certificates OpenSSL 3.0 does not write.
std::string JavaKeyStore(absl::string_view pem);

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_JAVA_KEY_STORE_H_

// What a verified certificate calls its holder.
#ifndef GLOVEBOX_FRONT_PEER_NAME_H_
#define GLOVEBOX_FRONT_PEER_NAME_H_

#include <openssl/x509.h>

#include <string>

namespace glovebox {

// The first subject alternative name (DNS, mail, URI, IP address as text), without any the first
// common name; UTF-8 bytes as they stand there, unchecked, at most `bytes_max`. "" for a first
// name of another kind, and for none.
std::string PeerName(const X509* certificate, size_t bytes_max);

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_PEER_NAME_H_

// X.509 certificates of ours: the authority that sandboxes trust, and what it signs.
#ifndef GLOVEBOX_EGRESS_CERTIFICATE_H_
#define GLOVEBOX_EGRESS_CERTIFICATE_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace glovebox {

struct FreeX509 {
  void operator()(X509* certificate) const { ::X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { ::EVP_PKEY_free(key); }  // zeroes it
};
using OwnedX509 = std::unique_ptr<X509, FreeX509>;
using OwnedKey = std::unique_ptr<EVP_PKEY, FreeKey>;

struct CertificateWish {
  std::string common_name;
  int64_t from_unix = 0;
  int64_t until_unix = 0;
  EVP_PKEY* key = nullptr;  // whose public half it is for
  X509* issuer = nullptr;   // null: itself
  EVP_PKEY* issuer_key = nullptr;
  std::vector<std::pair<int, std::string>> extensions;  // NID, value as in openssl.cnf
};

// With a random serial number: nothing of how many there were, or when, is to be seen in it. Null:
// OpenSSL has no memory, or does not take a value.
OwnedX509 MakeCertificate(const CertificateWish& wish);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_CERTIFICATE_H_

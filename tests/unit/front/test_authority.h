// Certificates made in memory, for both sides of a handshake.
#ifndef GLOVEBOX_TESTS_UNIT_FRONT_TEST_AUTHORITY_H_
#define GLOVEBOX_TESTS_UNIT_FRONT_TEST_AUTHORITY_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "front/tls_context.h"

namespace glovebox {

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

struct TestCertificate {
  std::unique_ptr<X509, SslFree> certificate;
  std::unique_ptr<EVP_PKEY, KeyFree> key;
  std::string CertificatePem() const;
  std::string KeyPem() const;
};

struct CertificateWish {
  std::string common_name;
  std::string alternative_names;  // as in openssl.cnf: "DNS:a,URI:b"; "": no such extension
  long valid_from_s = -3600;      // from now
  long valid_to_s = 3600;
};

class TestAuthority {
 public:
  TestAuthority();
  TestCertificate Sign(const CertificateWish& wish) const;
  std::string Pem() const { return own_.CertificatePem(); }

 private:
  TestCertificate own_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_TESTS_UNIT_FRONT_TEST_AUTHORITY_H_

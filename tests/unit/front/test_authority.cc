#include "tests/unit/front/test_authority.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>

namespace glovebox {
namespace {

void Demand(bool holds) {
  if (!holds) std::abort();
}

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

void Extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  Demand(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// Unsigned.
TestCertificate Draft(const CertificateWish& wish) {
  TestCertificate draft{std::unique_ptr<X509, SslFree>(X509_new()),
                        std::unique_ptr<EVP_PKEY, KeyFree>(EVP_EC_gen("P-256"))};
  X509* const raw = draft.certificate.get();
  Demand(draft.key != nullptr && X509_set_version(raw, 2) == 1);
  static long serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(raw), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(raw), wish.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(raw), wish.valid_to_s);
  Demand(X509_set_pubkey(raw, draft.key.get()) == 1);
  if (!wish.common_name.empty()) {
    Demand(
        X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(wish.common_name.data()),
                                   static_cast<int>(wish.common_name.size()), -1, 0) == 1);
  }
  if (!wish.alternative_names.empty()) {
    Extend(raw, NID_subject_alt_name, wish.alternative_names);
  }
  return draft;
}

}  // namespace

std::string TestCertificate::CertificatePem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  Demand(PEM_write_bio_X509(bio, certificate.get()) == 1);
  return Text(bio);
}

std::string TestCertificate::KeyPem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  Demand(PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return Text(bio);
}

TestAuthority::TestAuthority() : own_(Draft({"an authority", ""})) {
  X509* const raw = own_.certificate.get();
  Extend(raw, NID_basic_constraints, "critical,CA:TRUE");
  Demand(X509_set_issuer_name(raw, X509_get_subject_name(raw)) == 1);
  Demand(X509_sign(raw, own_.key.get(), EVP_sha256()) > 0);
}

TestCertificate TestAuthority::Sign(const CertificateWish& wish) const {
  TestCertificate signed_one = Draft(wish);
  X509* const raw = signed_one.certificate.get();
  Demand(X509_set_issuer_name(raw, X509_get_subject_name(own_.certificate.get())) == 1);
  Demand(X509_sign(raw, own_.key.get(), EVP_sha256()) > 0);
  return signed_one;
}

}  // namespace glovebox

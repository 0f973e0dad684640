#include "egress/certificate.h"

#include <openssl/bn.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace glovebox {
namespace {

constexpr int kSerialBits = 127;  // positive, and no longer than RFC 5280 has it
constexpr long kX509Version3 = 2;

bool Extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = ::X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  const bool added = extension != nullptr && ::X509_add_ext(certificate, extension, -1) == 1;
  ::X509_EXTENSION_free(extension);
  return added;
}

bool SetSerial(X509* certificate) {
  BIGNUM* const number = ::BN_new();
  const bool set = number != nullptr &&
                   ::BN_rand(number, kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                   ::BN_to_ASN1_INTEGER(number, ::X509_get_serialNumber(certificate)) != nullptr;
  ::BN_free(number);
  return set;
}

bool SetSubject(X509* certificate, const std::string& common_name) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(common_name.c_str());
  return ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                      bytes, -1, -1, 0) == 1;
}

}  // namespace

OwnedX509 MakeCertificate(const CertificateWish& wish) {
  OwnedX509 made(::X509_new());
  X509* const raw = made.get();
  X509* const issuer = wish.issuer == nullptr ? raw : wish.issuer;
  const bool filled = raw != nullptr && ::X509_set_version(raw, kX509Version3) == 1 &&
                      SetSerial(raw) &&
                      ::ASN1_TIME_set(::X509_getm_notBefore(raw), wish.from_unix) != nullptr &&
                      ::ASN1_TIME_set(::X509_getm_notAfter(raw), wish.until_unix) != nullptr &&
                      SetSubject(raw, wish.common_name) &&
                      ::X509_set_issuer_name(raw, ::X509_get_subject_name(issuer)) == 1 &&
                      ::X509_set_pubkey(raw, wish.key) == 1;
  const bool extended =
      filled && std::all_of(wish.extensions.begin(), wish.extensions.end(), [&](const auto& one) {
        return Extend(raw, issuer, one.first, one.second);
      });
  const bool whole = extended && ::X509_sign(raw, wish.issuer_key, ::EVP_sha256()) > 0;
  return whole ? std::move(made) : nullptr;
}

}  // namespace glovebox

#include "front/peer_name.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

namespace glovebox {
namespace {

std::string Utf8(const ASN1_STRING* text, size_t bytes_max) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, text);
  if (size < 0) return "";
  std::string utf8(reinterpret_cast<const char*>(bytes),
                   std::min(static_cast<size_t>(size), bytes_max));
  OPENSSL_free(bytes);
  return utf8;
}

std::string AddressText(const ASN1_OCTET_STRING* address) {
  const int size = ASN1_STRING_length(address);
  if (size != 4 && size != 16) return "";
  char text[INET6_ADDRSTRLEN] = {};
  (void)::inet_ntop(size == 4 ? AF_INET : AF_INET6,  // cannot fail: there is room
                    ASN1_STRING_get0_data(address), text, sizeof text);
  return text;
}

std::string TextOf(const GENERAL_NAME& name, size_t bytes_max) {
  switch (name.type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
      return Utf8(name.d.ia5, bytes_max);
    case GEN_IPADD:
      return AddressText(name.d.iPAddress);
    default:
      return "";
  }
}

std::string CommonName(const X509* certificate, size_t bytes_max) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (first < 0) return "";
  return Utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first)), bytes_max);
}

}  // namespace

std::string PeerName(const X509* certificate, size_t bytes_max) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  if (names == nullptr || sk_GENERAL_NAME_num(names.get()) == 0) {
    return CommonName(certificate, bytes_max);
  }
  return TextOf(*sk_GENERAL_NAME_value(names.get(), 0), bytes_max);
}

}  // namespace glovebox

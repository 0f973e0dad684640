#include "daemon/java_key_store.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "egress/certificate.h"

namespace glovebox {
namespace {

constexpr uint64_t kMagic = 0xfeedfeed;
constexpr uint64_t kVersion = 2;
constexpr uint64_t kTrustedCertificate = 2;
constexpr absl::string_view kPassword = "changeit";
constexpr absl::string_view kSalt = "Mighty Aphrodite";

struct FreeBio {
  void operator()(BIO* bio) const { ::BIO_free(bio); }
};

// As java.io.DataOutput writes numbers and text.
void AppendNumber(uint64_t number, int bytes, std::string* out) {
  for (int at = bytes - 1; at >= 0; --at) {
    out->push_back(static_cast<char>(number >> (8 * at) & 0xff));
  }
}

void AppendText(absl::string_view text, std::string* out) {
  AppendNumber(text.size(), 2, out);
  absl::StrAppend(out, text);
}

std::vector<std::string> CertificatesOf(absl::string_view pem) {
  std::vector<std::string> certificates;
  const std::unique_ptr<BIO, FreeBio> bio(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (bio != nullptr && BIO_pending(bio.get()) > 0) {
    const OwnedX509 certificate(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    unsigned char* der = nullptr;
    const int size = certificate == nullptr ? 0 : ::i2d_X509(certificate.get(), &der);
    if (size > 0) certificates.emplace_back(reinterpret_cast<char*>(der), size);
    ::OPENSSL_free(der);
  }
  ::ERR_clear_error();
  return certificates;
}

// Of the password, as UTF-16, and the store.
std::string Digest(absl::string_view store) {
  std::string hashed;
  for (const char c : kPassword) {
    hashed.push_back('\0');
    hashed.push_back(c);
  }
  absl::StrAppend(&hashed, kSalt, store);
  std::string digest(SHA_DIGEST_LENGTH, '\0');
  ::SHA1(reinterpret_cast<const unsigned char*>(hashed.data()), hashed.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace

std::string JavaKeyStore(absl::string_view pem) {
  const std::vector<std::string> certificates = CertificatesOf(pem);
  std::string store;
  AppendNumber(kMagic, 4, &store);
  AppendNumber(kVersion, 4, &store);
  AppendNumber(certificates.size(), 4, &store);
  for (size_t i = 0; i < certificates.size(); ++i) {
    AppendNumber(kTrustedCertificate, 4, &store);
    AppendText(absl::StrCat("root-", i), &store);
    AppendNumber(0, 8, &store);  // when it was put there
    AppendText("X.509", &store);
    AppendNumber(certificates[i].size(), 4, &store);
    store.append(certificates[i]);
  }
  return store + Digest(store);
}

}  // namespace glovebox

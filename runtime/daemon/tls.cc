#include "daemon/tls.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr size_t kPemBytesMax = size_t{1} << 20;

absl::Status Refuse(absl::string_view key, const std::string& path, absl::string_view why) {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("tcp.", key, " ", path, ": ", why),
                       {"CONFIG_INVALID", {{"path", path}}});
}

absl::StatusOr<std::string> ReadPem(absl::string_view key, const std::string& path) {
  if (path.empty()) return Refuse(key, path, "is missing; the TCP listener needs all three files");
  const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, path, kPemBytesMax);
  if (!text.ok()) return Refuse(key, path, text.status().message());
  return *text;
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioHandle = std::unique_ptr<BIO, BioFree>;

BioHandle Open(const std::string& pem) {
  return BioHandle(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::unique_ptr<X509, decltype(&X509_free)> FirstCertificate(const std::string& pem) {
  return {PEM_read_bio_X509(Open(pem).get(), nullptr, nullptr, nullptr), &X509_free};
}

// Said before anything is started, with the name of the file.
absl::Status CheckPair(const TlsFiles& files, const std::string& certificate,
                       const std::string& key, const std::string& client_ca) {
  const auto own = FirstCertificate(certificate);
  if (own == nullptr) return Refuse("certificate", files.certificate, "is no PEM certificate");
  if (FirstCertificate(client_ca) == nullptr) {
    return Refuse("client_ca", files.client_ca, "is no PEM certificate");
  }
  char passphrase[] = "";  // else OpenSSL would ask the terminal
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> secret(
      PEM_read_bio_PrivateKey(Open(key).get(), nullptr, nullptr, passphrase), &EVP_PKEY_free);
  if (secret == nullptr) return Refuse("key", files.key, "is no PEM key without a passphrase");
  if (X509_check_private_key(own.get(), secret.get()) != 1) {
    return Refuse("key", files.key, "is not of the certificate");
  }
  return absl::OkStatus();
}

absl::Status CheckKeyMode(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return ErrnoError(errno, absl::StrCat("stat ", path));
  if ((found.st_mode & 0077) == 0) return absl::OkStatus();
  return Refuse("key", path, "others may read it; chmod 0600");
}

}  // namespace

absl::StatusOr<TlsPems> ReadTlsFiles(const TlsFiles& files) {
  TlsPems pems;
  ASSIGN_OR_RETURN(pems.certificate, ReadPem("certificate", files.certificate));
  ASSIGN_OR_RETURN(pems.key, ReadPem("key", files.key));
  ASSIGN_OR_RETURN(pems.client_ca, ReadPem("client_ca", files.client_ca));
  RETURN_IF_ERROR(CheckKeyMode(files.key));
  RETURN_IF_ERROR(CheckPair(files, pems.certificate, pems.key, pems.client_ca));
  return pems;
}

}  // namespace glovebox

#include "daemon/egress_authority.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "egress/certificate.h"
#include "linux/file_io.h"

namespace glovebox {
namespace {

constexpr char kFile[] = "egress-authority.pem";
constexpr char kFresh[] = "egress-authority.pem.new";
constexpr size_t kFileBytesMax = 16 * 1024;
constexpr int64_t kDaySeconds = 24 * 3600;
constexpr int64_t kValidSeconds = 3650 * kDaySeconds;
constexpr int64_t kSkewSeconds = 3600;
constexpr int kLeftDaysMin = 30;

struct FreeBio {
  void operator()(BIO* bio) const { ::BIO_free(bio); }
};
using OwnedBio = std::unique_ptr<BIO, FreeBio>;

void Wipe(std::string* secret) {
  ::OPENSSL_cleanse(secret->data(), secret->size());
  secret->clear();
}

absl::Status Damaged(const std::string& path, absl::string_view why) {
  return DetailedError(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat(path, ": ", why,
                                    "; restore it, or remove it: another one is made then, which "
                                    "sandboxes that are there do not trust"),
                       {"CONFIG_INVALID", {{"path", path}}});
}

std::string BytesOfBio(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string bytes(data, static_cast<size_t>(size));
  ::OPENSSL_cleanse(data, static_cast<size_t>(size));
  return bytes;
}

std::string DerOf(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = ::i2d_X509(certificate, &bytes);
  std::string der(reinterpret_cast<char*>(bytes), size < 0 ? 0 : static_cast<size_t>(size));
  ::OPENSSL_free(bytes);
  return der;
}

std::string DerOf(EVP_PKEY* key) {
  unsigned char* bytes = nullptr;
  const int size = ::i2d_PrivateKey(key, &bytes);
  const size_t length = size < 0 ? 0 : static_cast<size_t>(size);
  std::string der(reinterpret_cast<char*>(bytes), length);
  ::OPENSSL_clear_free(bytes, length);
  return der;
}

struct Pair {
  OwnedX509 certificate;
  OwnedKey key;
};

absl::StatusOr<Pair> Make() {
  Pair made;
  made.key.reset(EVP_EC_gen("P-256"));
  if (made.key == nullptr) return absl::InternalError("no key for the authority of sandboxes");
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  CertificateWish wish;
  wish.common_name = "glovebox: this host's authority for its sandboxes";
  wish.from_unix = now - kSkewSeconds;
  wish.until_unix = now + kValidSeconds;
  wish.key = wish.issuer_key = made.key.get();
  wish.extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                     {NID_key_usage, "critical,keyCertSign"},
                     {NID_subject_key_identifier, "hash"}};
  made.certificate = MakeCertificate(wish);
  if (made.certificate == nullptr) return absl::InternalError("no certificate of the authority");
  return made;
}

absl::Status Write(const std::string& state_dir, const Pair& pair) {
  const OwnedBio bio(::BIO_new(::BIO_s_mem()));
  if (bio == nullptr ||
      ::PEM_write_bio_PrivateKey(bio.get(), pair.key.get(), nullptr, nullptr, 0, nullptr,
                                 nullptr) != 1 ||
      ::PEM_write_bio_X509(bio.get(), pair.certificate.get()) != 1) {
    return absl::InternalError("the authority of sandboxes cannot be written");
  }
  std::string text = BytesOfBio(bio.get());
  const std::string fresh = absl::StrCat(state_dir, "/", kFresh);
  const std::string path = absl::StrCat(state_dir, "/", kFile);
  (void)::unlink(fresh.c_str());  // of a daemon that was killed here
  const absl::StatusOr<UniqueFd> file =
      OpenAt(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  const absl::Status written = file.ok() ? WriteAll(file->get(), text) : file.status();
  Wipe(&text);
  RETURN_IF_ERROR(written);
  if (::fsync(file->get()) != 0) return ErrnoError(errno, absl::StrCat("fsync ", fresh));
  if (::rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("rename to ", path));
}

absl::StatusOr<Pair> Parse(const std::string& path, const std::string& text) {
  Pair found;
  const OwnedBio bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  char passphrase[] = "";  // else OpenSSL would ask the terminal
  found.key.reset(::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, passphrase));
  found.certificate.reset(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (found.key == nullptr || found.certificate == nullptr ||
      ::X509_check_private_key(found.certificate.get(), found.key.get()) != 1) {
    return Damaged(path, "is no key with its certificate");
  }
  if (::X509_check_ca(found.certificate.get()) != 1) return Damaged(path, "is no authority");
  return found;
}

bool HasTimeLeft(const X509* certificate) {
  int days = 0;
  int seconds = 0;
  return ::ASN1_TIME_diff(&days, &seconds, nullptr, ::X509_get0_notAfter(certificate)) == 1 &&
         days >= kLeftDaysMin;
}

// Absent: there is none.
absl::StatusOr<Pair> Read(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return ErrnoError(errno, absl::StrCat("fstat ", path));
  if (!S_ISREG(status.st_mode) || (status.st_mode & 0077) != 0) {
    return Damaged(path, "others may read it, who could pose as any host then");
  }
  ASSIGN_OR_RETURN(std::string text, ReadFileAt(AT_FDCWD, path, kFileBytesMax));
  absl::StatusOr<Pair> parsed = Parse(path, text);
  Wipe(&text);
  return parsed;
}

}  // namespace

// A key is longer than what a string holds in itself: its bytes change hands.
EgressAuthority::EgressAuthority(EgressAuthority&& other) noexcept = default;

EgressAuthority::~EgressAuthority() { Wipe(&key_der); }

absl::StatusOr<EgressAuthority> LoadEgressAuthority(const std::string& state_dir) {
  absl::StatusOr<Pair> pair = Read(absl::StrCat(state_dir, "/", kFile));
  const bool none = absl::IsNotFound(pair.status());
  if (none || (pair.ok() && !HasTimeLeft(pair->certificate.get()))) {
    pair = Make();
    RETURN_IF_ERROR(pair.status());
    RETURN_IF_ERROR(Write(state_dir, *pair));
  }
  RETURN_IF_ERROR(pair.status());
  EgressAuthority authority;
  authority.certificate_der = DerOf(pair->certificate.get());
  authority.key_der = DerOf(pair->key.get());
  const OwnedBio bio(::BIO_new(::BIO_s_mem()));
  if (bio == nullptr || ::PEM_write_bio_X509(bio.get(), pair->certificate.get()) != 1) {
    return absl::InternalError("the authority's certificate cannot be written");
  }
  authority.certificate_pem = BytesOfBio(bio.get());
  return authority;
}

}  // namespace glovebox

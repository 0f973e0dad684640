#include "front/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status.h"

namespace glovebox {
namespace {

// Forward secrecy and an AEAD; those of TLS 1.3 are all so.
constexpr char kCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2";
constexpr unsigned char kHttp2[] = {2, 'h', '2'};
constexpr long kChainBytesMax = 64 << 10;
constexpr int kChainDepthMax = 8;

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioHandle = std::unique_ptr<BIO, BioFree>;

BioHandle Open(const std::string& pem) {
  return BioHandle(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::unique_ptr<X509, SslFree> NextCertificate(BIO* pem) {
  return std::unique_ptr<X509, SslFree>(PEM_read_bio_X509(pem, nullptr, nullptr, nullptr));
}

absl::Status Refuse(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", TakeTlsError()));
}

absl::Status UseCertificate(SSL_CTX* context, const std::string& pem) {
  const BioHandle bio = Open(pem);
  const auto own = NextCertificate(bio.get());
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) {
    return Refuse("tcp.certificate");
  }
  while (const auto intermediate = NextCertificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context, intermediate.get()) != 1) return Refuse("tcp.certificate");
  }
  ERR_clear_error();  // that there was no further one
  return absl::OkStatus();
}

absl::Status UseKey(SSL_CTX* context, const std::string& pem) {
  char passphrase[] = "";  // else OpenSSL would ask the terminal
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(Open(pem).get(), nullptr, nullptr, passphrase), &EVP_PKEY_free);
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return Refuse("tcp.key");
  }
  return absl::OkStatus();
}

absl::Status TrustClients(SSL_CTX* context, const std::string& pem) {
  const BioHandle bio = Open(pem);
  int count = 0;
  while (const auto authority = NextCertificate(bio.get())) {
    // The list of names tells clients with several certificates which one to show.
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return Refuse("tcp.client_ca");
    }
    ++count;
  }
  if (count == 0) return Refuse("tcp.client_ca");
  ERR_clear_error();
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context, kChainDepthMax);
  return absl::OkStatus();
}

int ChooseHttp2(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_bytes,
                const unsigned char* in, unsigned in_bytes, void* /*argument*/) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kHttp2, sizeof kHttp2, in, in_bytes) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::string TakeTlsError() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* const words = error == 0 ? nullptr : ERR_reason_error_string(error);
  return words == nullptr ? "unknown" : words;
}

absl::StatusOr<TlsContext> MakeTlsContext(const TlsIdentity& identity) {
  // No file of the host has a say: not openssl.cnf, not the host's authorities.
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return Refuse("libssl");
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return Refuse("SSL_CTX_new");
  SSL_CTX* const raw = context.get();
  if (SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(raw, kCiphers) != 1 || SSL_CTX_set_num_tickets(raw, 0) != 1) {
    return Refuse("versions and ciphers");
  }
  // Each connection shows its certificate. Who ends without a close_notify, as gRPC does, has ended
  // all the same: HTTP/2 has lengths of its own.
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(raw, 1);  // a record is one read, not two
  SSL_CTX_set_max_cert_list(raw, kChainBytesMax);
  SSL_CTX_set_alpn_select_cb(raw, ChooseHttp2, nullptr);
  RETURN_IF_ERROR(UseCertificate(raw, identity.certificate));
  RETURN_IF_ERROR(UseKey(raw, identity.key));
  RETURN_IF_ERROR(TrustClients(raw, identity.client_ca));
  return context;
}

absl::StatusOr<TlsEnd> MakeTlsEnd(SSL_CTX* context, int fd) {
  TlsEnd end(SSL_new(context));
  if (end == nullptr || SSL_set_fd(end.get(), fd) != 1) {
    return absl::ResourceExhaustedError(TakeTlsError());
  }
  SSL_set_accept_state(end.get());
  return end;
}

bool SpeaksHttp2(const SSL* ssl) {
  const unsigned char* chosen = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(ssl, &chosen, &bytes);
  return bytes == 2 && std::memcmp(chosen, "h2", 2) == 0;
}

}  // namespace glovebox

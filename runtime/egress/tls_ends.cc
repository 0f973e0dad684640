#include "egress/tls_ends.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <string>

#include "absl/strings/string_view.h"
#include "base/status.h"

namespace glovebox {
namespace {

// Names with their lengths, best first.
constexpr unsigned char kHttp1[] = "\x08http/1.1";
constexpr unsigned char kHttp2[] = "\x02h2";
constexpr unsigned char kEither[] = "\x02h2\x08http/1.1";

// An answer in `protocol` to who offers it, none to who offers nothing, no connection for the rest.
int ChooseProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void* protocol) {
  const absl::string_view ours(static_cast<const char*>(protocol));
  unsigned char* chosen = nullptr;
  if (::SSL_select_next_proto(
          &chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
          static_cast<unsigned>(ours.size()), in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void* Argument(const unsigned char* protocol) { return const_cast<unsigned char*>(protocol); }

bool SetUpBoth(SSL_CTX* context) {
  ::SSL_CTX_set_options(context,
                        SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
}

}  // namespace

TlsEnds::TlsEnds(std::unique_ptr<LeafMinter> minter, UniqueFd roots)
    : minter_(std::move(minter)),
      roots_(std::move(roots)),
      server_(asio::ssl::context::tls_server),
      server_http2_(asio::ssl::context::tls_server),
      client_(asio::ssl::context::tls_client) {}

absl::StatusOr<std::unique_ptr<TlsEnds>> TlsEnds::Make(EgressSetup* setup, UniqueFd roots,
                                                       const Clock* clock) {
  if (::OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) {
    return absl::InternalError("OpenSSL does not start");
  }
  auto minter = LeafMinter::Make(
      absl::string_view(reinterpret_cast<const char*>(setup->certificate),
                        setup->certificate_bytes),
      absl::string_view(reinterpret_cast<const char*>(setup->key), setup->key_bytes), clock);
  ::OPENSSL_cleanse(setup->key, sizeof setup->key);
  RETURN_IF_ERROR(minter.status());
  std::unique_ptr<TlsEnds> ends(new TlsEnds(*std::move(minter), std::move(roots)));
  RETURN_IF_ERROR(ends->SetUp());
  return ends;
}

absl::Status TlsEnds::SetUp() {
  SSL_CTX* const server = server_.native_handle();
  SSL_CTX* const server_http2 = server_http2_.native_handle();
  SSL_CTX* const client = client_.native_handle();
  ::SSL_CTX_set_alpn_select_cb(server, ChooseProtocol, Argument(kHttp1));
  ::SSL_CTX_set_alpn_select_cb(server_http2, ChooseProtocol, Argument(kHttp2));
  ::SSL_CTX_set_verify(client, SSL_VERIFY_PEER, nullptr);
  // Signing, random numbers and both sides' objects once, for what OpenSSL fetches at first use.
  asio::io_context io;
  tcp::socket none(io);
  const absl::StatusOr<HostName> name = HostName::Parse("glovebox.invalid");
  if (!SetUpBoth(server) || !SetUpBoth(server_http2) || !SetUpBoth(client) || !name.ok() ||
      ServerFor(*name, &none, HttpVersion::kHttp1) == nullptr) {
    return absl::InternalError("OpenSSL does not take its settings");
  }
  return absl::OkStatus();
}

std::unique_ptr<TlsStream> TlsEnds::ServerFor(const HostName& name, tcp::socket* socket,
                                              HttpVersion version) {
  X509* const leaf = minter_->LeafFor(name);
  if (leaf == nullptr) return nullptr;
  auto stream = std::make_unique<TlsStream>(
      socket, version == HttpVersion::kHttp2 ? &server_http2_ : &server_);
  const bool set = ::SSL_use_certificate(stream->handle(), leaf) == 1 &&
                   ::SSL_use_PrivateKey(stream->handle(), minter_->key()) == 1;
  return set ? std::move(stream) : nullptr;
}

std::unique_ptr<TlsStream> TlsEnds::ClientFor(const HostName& name, tcp::socket* socket,
                                              HttpVersion version) {
  if (roots_.valid()) ReadRoots();
  auto stream = std::make_unique<TlsStream>(socket, &client_);
  ::SSL_set_hostflags(stream->handle(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool either = version == HttpVersion::kHttp2;
  const bool set = ::SSL_set_alpn_protos(stream->handle(), either ? kEither : kHttp1,
                                         (either ? sizeof kEither : sizeof kHttp1) - 1) == 0 &&
                   ::SSL_set1_host(stream->handle(), name.value().c_str()) == 1 &&
                   SSL_set_tlsext_host_name(stream->handle(), name.value().c_str()) == 1;
  return set ? std::move(stream) : nullptr;
}

// What is no certificate among them ends the reading, as it does for other programs of the host.
void TlsEnds::ReadRoots() {
  const UniqueFd fd = std::move(roots_);
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  if (size <= 0 || static_cast<uint64_t>(size) > kEgressRootsBytesMax) return;
  std::string text(static_cast<size_t>(size), 0);
  if (::pread(fd.get(), text.data(), text.size(), 0) != size) return;
  BIO* const bio = ::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  X509_STORE* const store = ::SSL_CTX_get_cert_store(client_.native_handle());
  while (bio != nullptr) {
    const OwnedX509 root(::PEM_read_bio_X509_AUX(bio, nullptr, nullptr, nullptr));
    if (root == nullptr || ::X509_STORE_add_cert(store, root.get()) != 1) break;
  }
  ::BIO_free(bio);
  ::ERR_clear_error();  // the end of the text is one
}

bool HelloNames(TlsStream* stream, const HostName& name) {
  const char* const said = ::SSL_get_servername(stream->handle(), TLSEXT_NAMETYPE_host_name);
  if (said == nullptr) return false;
  const absl::StatusOr<HostName> parsed = HostName::Parse(said);
  return parsed.ok() && *parsed == name;
}

HttpVersion VersionOf(TlsStream* stream) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  ::SSL_get0_alpn_selected(stream->handle(), &name, &size);
  const absl::string_view chosen(reinterpret_cast<const char*>(name), size);
  return chosen == "h2" ? HttpVersion::kHttp2 : HttpVersion::kHttp1;
}

std::string WhyNotTrusted(TlsStream* stream) {
  const long result = ::SSL_get_verify_result(stream->handle());
  return result == X509_V_OK ? "" : ::X509_verify_cert_error_string(result);
}

}  // namespace glovebox

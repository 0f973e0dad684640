#include "front/connection.h"

#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "front/peer_name.h"

namespace glovebox {
namespace {

constexpr uint32_t kReadable = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr uint32_t kWritable = EPOLLOUT | EPOLLHUP | EPOLLERR;

bool IsCertificateError(unsigned long error) {
  switch (ERR_GET_REASON(error)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Connection::TcpReady(uint32_t events) {
  tcp_readable_ = tcp_readable_ || (events & kReadable) != 0;
  tcp_writable_ = tcp_writable_ || (events & kWritable) != 0;
}

void Connection::DaemonReady(uint32_t events) {
  daemon_readable_ = daemon_readable_ || (events & kReadable) != 0;
  daemon_writable_ = daemon_writable_ || (events & kWritable) != 0;
}

void Connection::Refuse(FrontRefusal why, std::string words) {
  phase_ = Phase::kRefused;
  refusal_ = why;
  refusal_words_ = std::move(words);
}

void Connection::Expire() {
  if (phase_ == Phase::kHandshake) {
    return Refuse(FrontRefusal::kSlow, "not through the handshake in time");
  }
  if (phase_ == Phase::kHandOver) {
    return Refuse(FrontRefusal::kInternal, "gloveboxd did not take the connection in time");
  }
  phase_ = Phase::kEnded;
}

void Connection::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_.get());
  const bool too_long = BIO_number_read(SSL_get_rbio(tls_.get())) > kHandshakeBytesMax;
  if (result != 1) {
    const int error = SSL_get_error(tls_.get(), result);
    const bool waits = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_READ) tcp_readable_ = false;
    if (error == SSL_ERROR_WANT_WRITE) tcp_writable_ = false;
    if (waits && !too_long) return;
    const bool certificate = IsCertificateError(ERR_peek_last_error());
    const long verified = SSL_get_verify_result(tls_.get());
    if (waits) return Refuse(FrontRefusal::kSlow, "too many bytes for a handshake");
    std::string words = TakeTlsError();
    if (verified != X509_V_OK) words = X509_verify_cert_error_string(verified);
    return Refuse(certificate ? FrontRefusal::kCertificate : FrontRefusal::kHandshake,
                  std::move(words));
  }
  const std::unique_ptr<X509, SslFree> certificate(SSL_get1_peer_certificate(tls_.get()));
  // The handshake does not end without it (SSL_VERIFY_FAIL_IF_NO_PEER_CERT).
  if (certificate == nullptr || SSL_get_verify_result(tls_.get()) != X509_V_OK) {
    return Refuse(FrontRefusal::kCertificate, "no verified certificate");
  }
  if (!SpeaksHttp2(tls_.get())) return Refuse(FrontRefusal::kHandshake, "no ALPN with h2");
  name_ = PeerName(certificate.get(), kFrontTextBytesMax);
  ERR_clear_error();
  phase_ = Phase::kHandOver;
}

void Connection::Relay(UniqueFd daemon) {
  daemon_ = std::move(daemon);
  phase_ = Phase::kRelay;
}

bool Connection::TakeTurn() {
  if (phase_ == Phase::kHandshake) Handshake();
  if (phase_ != Phase::kRelay && phase_ != Phase::kParting) return false;
  const bool more_up = Up();
  const bool more_down = phase_ != Phase::kEnded && Down();
  if (phase_ == Phase::kEnded) return false;
  EndDirections();
  up_.Release();
  down_.Release();
  return phase_ != Phase::kEnded && (more_up || more_down);
}

bool Connection::Up() {
  for (size_t done = 0; done < kTurnBytesMax && phase_ != Phase::kEnded;) {
    const size_t before = up_.size();
    if (up_.empty() && !ReadFromClient()) return false;
    done += up_.size() - before;
    if (!up_.empty() && !WriteToDaemon()) return false;
  }
  return true;
}

// As much as there is room for.
bool Connection::ReadFromClient() {
  while (!client_ended_ && tcp_readable_ && up_.room() > 0) {
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_read_ex(tls_.get(), up_.Room(), up_.room(), &count);
    if (result == 1) {
      up_.Added(count);
      continue;
    }
    switch (SSL_get_error(tls_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        tcp_readable_ = false;
        break;
      case SSL_ERROR_WANT_WRITE:  // an answer to a key update
        tcp_writable_ = false;
        return !up_.empty();
      case SSL_ERROR_ZERO_RETURN:
        client_ended_ = true;
        break;
      default:
        phase_ = Phase::kEnded;
    }
  }
  return !up_.empty();
}

bool Connection::WriteToDaemon() {
  if (!daemon_listens_) {
    up_.Taken(up_.size());
    return true;
  }
  while (!up_.empty() && daemon_writable_) {
    const ssize_t count = ::write(daemon_.get(), up_.data(), up_.size());
    if (count >= 0) {
      up_.Taken(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      daemon_writable_ = false;
    } else if (errno != EINTR) {
      daemon_listens_ = false;  // it closed its end; what it said before is still to be read
      up_.Taken(up_.size());
    }
  }
  return up_.empty();
}

bool Connection::Down() {
  for (size_t done = 0; done < kTurnBytesMax && phase_ != Phase::kEnded;) {
    const size_t before = down_.size();
    if (down_.empty() && !ReadFromDaemon()) return false;
    done += down_.size() - before;
    if (!down_.empty() && !WriteToClient()) return false;
  }
  return true;
}

bool Connection::ReadFromDaemon() {
  while (!daemon_ended_ && daemon_readable_ && down_.room() > 0) {
    const ssize_t count = ::read(daemon_.get(), down_.Room(), down_.room());
    if (count > 0) {
      down_.Added(static_cast<size_t>(count));
    } else if (count < 0 && errno == EAGAIN) {
      daemon_readable_ = false;
    } else if (count == 0 || errno != EINTR) {
      daemon_ended_ = true;
    }
  }
  return !down_.empty();
}

bool Connection::WriteToClient() {
  while (!down_.empty() && tcp_writable_) {
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_write_ex(tls_.get(), down_.data(), down_.size(), &count);
    if (result == 1) {
      down_.Taken(count);
      continue;
    }
    if (SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_WRITE) {
      tcp_writable_ = false;
    } else {
      phase_ = Phase::kEnded;
      return false;
    }
  }
  return down_.empty();
}

// Each side hears of the other's end after the last byte of it.
void Connection::EndDirections() {
  if (client_ended_ && up_.empty() && !daemon_told_) {
    daemon_told_ = true;
    (void)::shutdown(daemon_.get(), SHUT_WR);  // fails only when it has closed
  }
  if (daemon_ended_ && down_.empty() && !client_told_) {
    client_told_ = true;
    ERR_clear_error();
    (void)SSL_shutdown(tls_.get());  // a close_notify, if there is room for one
    // Closing with bytes of the client unread would be a reset, and that could take what was just
    // said to it away: it is read until the client closes, or for a while.
    (void)::shutdown(tcp_.get(), SHUT_WR);
  }
  if (daemon_ended_ && phase_ == Phase::kRelay) phase_ = Phase::kParting;
  if (daemon_told_ && client_told_) phase_ = Phase::kEnded;
}

}  // namespace glovebox

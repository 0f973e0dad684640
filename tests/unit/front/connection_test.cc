#include "front/connection.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>

#include "tests/unit/front/test_authority.h"

namespace glovebox {
namespace {

using Phase = Connection::Phase;

struct Sockets {
  UniqueFd front, other;
};
Sockets MakeSockets() {
  std::array<int, 2> fds = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

struct ClientWish {
  const TestCertificate* certificate = nullptr;
  std::string alpn = "\2h2";
  int version = TLS1_3_VERSION;
};

// Both ends and the daemon's, on one thread; nothing blocks.
class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest()
      : server_(authority_.Sign({"server", "DNS:localhost"})),
        good_(authority_.Sign({"", "DNS:ci.example"})) {
    (void)::signal(SIGPIPE, SIG_IGN);  // as main.cc does
    auto made = MakeTlsContext({server_.CertificatePem(), server_.KeyPem(), authority_.Pem()});
    EXPECT_TRUE(made.ok()) << made.status();
    context_ = *std::move(made);
  }

  void Open(const ClientWish& wish) {
    Sockets sockets = MakeSockets();
    auto end = MakeTlsEnd(context_.get(), sockets.front.get());
    ASSERT_TRUE(end.ok()) << end.status();
    connection_.emplace(std::move(sockets.front), TcpEndpoint{}, *std::move(end));
    client_fd_ = std::move(sockets.other);
    client_context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(client_context_.get(), wish.version);
    SSL_CTX_set_mode(client_context_.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!wish.alpn.empty()) {
      SSL_CTX_set_alpn_protos(client_context_.get(),
                              reinterpret_cast<const unsigned char*>(wish.alpn.data()),
                              static_cast<unsigned>(wish.alpn.size()));
    }
    if (wish.certificate != nullptr) {
      SSL_CTX_use_certificate(client_context_.get(), wish.certificate->certificate.get());
      SSL_CTX_use_PrivateKey(client_context_.get(), wish.certificate->key.get());
    }
    client_.reset(SSL_new(client_context_.get()));
    SSL_set_fd(client_.get(), client_fd_.get());
    SSL_set_connect_state(client_.get());
  }

  void Turn() {
    connection_->TcpReady(EPOLLIN | EPOLLOUT);
    connection_->DaemonReady(EPOLLIN | EPOLLOUT);
    while (connection_->TakeTurn()) {
    }
  }

  Phase Shake() {
    for (int i = 0; i < 20 && connection_->phase() == Phase::kHandshake; ++i) {
      ERR_clear_error();
      (void)SSL_do_handshake(client_.get());  // what it lacks comes with the next turn
      Turn();
    }
    return connection_->phase();
  }

  void Serve(const ClientWish& wish) {
    Open(wish);
    ASSERT_EQ(Shake(), Phase::kHandOver) << connection_->refusal_words();
    Sockets sockets = MakeSockets();
    daemon_ = std::move(sockets.other);
    connection_->Relay(std::move(sockets.front));
  }

  // How many bytes were taken before it would wait.
  size_t ClientSays(absl::string_view bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      size_t count = 0;
      ERR_clear_error();
      if (SSL_write_ex(client_.get(), bytes.data() + done, bytes.size() - done, &count) != 1) break;
      done += count;
    }
    return done;
  }
  std::string ClientHears() {
    std::string heard;
    std::string buffer(1 << 16, '\0');
    for (;;) {
      size_t count = 0;
      ERR_clear_error();
      if (SSL_read_ex(client_.get(), buffer.data(), buffer.size(), &count) != 1) return heard;
      heard.append(buffer.data(), count);
    }
  }
  size_t DaemonSays(absl::string_view bytes) {
    const ssize_t count = ::send(daemon_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return count < 0 ? 0 : static_cast<size_t>(count);
  }
  // What there is, and whether it ends there.
  std::pair<std::string, bool> DaemonHears() {
    std::string heard;
    std::string buffer(1 << 16, '\0');
    for (;;) {
      const ssize_t count = ::recv(daemon_.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) return {heard, count == 0};
      heard.append(buffer.data(), static_cast<size_t>(count));
    }
  }

  const TestAuthority authority_;
  const TestCertificate server_, good_;
  TlsContext context_;
  std::optional<Connection> connection_;
  UniqueFd client_fd_, daemon_;
  TlsContext client_context_;
  TlsEnd client_;
};

TEST_F(ConnectionTest, AClientIsKnownByItsNameAndBytesGoBothWays) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Serve({.certificate = &good_, .version = version});
    EXPECT_EQ(connection_->name(), "ci.example");
    ASSERT_EQ(ClientSays("question"), 8u);
    Turn();
    EXPECT_EQ(DaemonHears().first, "question");
    ASSERT_EQ(DaemonSays("answer"), 6u);
    Turn();
    EXPECT_EQ(ClientHears(), "answer");
  }
}

TEST_F(ConnectionTest, WhoHasNoCertificateOfTheAuthoritiesIsRefused) {
  const TestAuthority another;
  const TestCertificate foreign = another.Sign({"", "DNS:ci.example"});
  const TestCertificate expired = authority_.Sign({"", "DNS:ci.example", -7200, -3600});
  const TestCertificate early = authority_.Sign({"", "DNS:ci.example", 3600, 7200});
  const TestCertificate* const none = nullptr;
  for (const TestCertificate* certificate : {none, &foreign, &expired, &early}) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      Open({.certificate = certificate, .version = version});
      ASSERT_EQ(Shake(), Phase::kRefused);
      EXPECT_EQ(connection_->refusal(), FrontRefusal::kCertificate) << connection_->refusal_words();
    }
  }
}

TEST_F(ConnectionTest, OtherProtocolsAndVersionsAreRefused) {
  for (const ClientWish& wish : {ClientWish{&good_, "\10http/1.1"}, ClientWish{&good_, ""},
                                 ClientWish{&good_, "\2h2", TLS1_1_VERSION}}) {
    Open(wish);
    SSL_set_security_level(client_.get(), 0);
    ASSERT_EQ(Shake(), Phase::kRefused);
    EXPECT_EQ(connection_->refusal(), FrontRefusal::kHandshake) << connection_->refusal_words();
  }
}

TEST_F(ConnectionTest, GarbageAndAHelloWithoutEndAreRefused) {
  const std::string endless("\x16\3\1\x40\0\1\xff\xff\xff\3\3", 11);  // 16 MiB, it says
  for (const std::string& words : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(64, '\0'),
                                   endless + std::string(16384, 'x')}) {
    Open({});
    ASSERT_EQ(::send(client_fd_.get(), words.data(), words.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(words.size()));
    Turn();
    EXPECT_EQ(connection_->phase(), Phase::kRefused) << words.substr(0, 11);
  }
}

TEST_F(ConnectionTest, HalfAHelloWaitsAndIsRefusedWhenItsTimeIsOver) {
  Open({});
  ASSERT_EQ(::send(client_fd_.get(), "\x16\3\1\2\0", 5, MSG_NOSIGNAL), 5);
  Turn();
  EXPECT_EQ(connection_->phase(), Phase::kHandshake);
  connection_->Expire();
  EXPECT_EQ(connection_->phase(), Phase::kRefused);
  EXPECT_EQ(connection_->refusal(), FrontRefusal::kSlow);
}

TEST_F(ConnectionTest, ADaemonThatDoesNotReadHoldsTheClientUpAndNothingIsLost) {
  Serve({.certificate = &good_});
  const std::string bytes = Pattern(8 << 20);
  size_t said = 0;
  for (size_t more = 1; more > 0; said += more) {
    more = ClientSays(absl::string_view(bytes).substr(said));
    Turn();
  }
  EXPECT_LT(said, bytes.size()) << "it is held up";
  std::string heard;
  while (heard.size() < bytes.size()) {
    heard += DaemonHears().first;
    Turn();
    said += ClientSays(absl::string_view(bytes).substr(said));
    Turn();
  }
  EXPECT_TRUE(heard == bytes);
}

TEST_F(ConnectionTest, AClientThatDoesNotReadHoldsTheDaemonUpAndNothingIsLost) {
  Serve({.certificate = &good_});
  const std::string bytes = Pattern(8 << 20);
  size_t said = 0;
  for (size_t more = 1; more > 0; said += more) {
    more = DaemonSays(absl::string_view(bytes).substr(said));
    Turn();
  }
  EXPECT_LT(said, bytes.size()) << "it is held up";
  std::string heard;
  while (heard.size() < bytes.size()) {
    heard += ClientHears();
    Turn();
    said += DaemonSays(absl::string_view(bytes).substr(said));
    Turn();
  }
  EXPECT_TRUE(heard == bytes);
}

TEST_F(ConnectionTest, ATurnEndsWithItsShare) {
  Serve({.certificate = &good_});
  constexpr size_t kShare = Connection::kTurnBytesMax + ByteBuffer::kBytesMax;
  const int room = 8 << 20;  // the kernel gives what it allows, which is more than a share
  for (const int fd : {daemon_.get(), connection_->tcp_fd()}) {
    ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
  }
  const size_t said = DaemonSays(Pattern(4 << 20));
  ASSERT_GT(said, kShare);
  EXPECT_TRUE(connection_->TakeTurn()) << "there is more";
  const size_t heard = ClientHears().size();
  EXPECT_GE(heard, Connection::kTurnBytesMax);
  EXPECT_LE(heard, kShare);
  Turn();
  EXPECT_EQ(heard + ClientHears().size(), said);
}

TEST_F(ConnectionTest, AClientThatHasEndedIsStillAnswered) {
  Serve({.certificate = &good_});
  ASSERT_EQ(ClientSays("last words"), 10u);
  SSL_shutdown(client_.get());
  Turn();
  EXPECT_EQ(DaemonHears(), std::make_pair(std::string("last words"), true));
  ASSERT_EQ(DaemonSays("answer"), 6u);
  Turn();
  EXPECT_EQ(connection_->phase(), Phase::kRelay);
  EXPECT_EQ(ClientHears(), "answer");
  daemon_.Reset();
  Turn();
  EXPECT_EQ(connection_->phase(), Phase::kEnded);
}

TEST_F(ConnectionTest, WhatTheDaemonSaidBeforeItClosedArrives) {
  Serve({.certificate = &good_});
  ASSERT_EQ(DaemonSays("last words"), 10u);
  daemon_.Reset();
  ASSERT_EQ(ClientSays("too late"), 8u);
  Turn();
  EXPECT_EQ(connection_->phase(), Phase::kParting);
  EXPECT_EQ(ClientHears(), "last words");
  EXPECT_EQ(SSL_get_shutdown(client_.get()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
  client_fd_.Reset();
  Turn();
  EXPECT_EQ(connection_->phase(), Phase::kEnded);
}

TEST_F(ConnectionTest, AClientThatNeverClosesIsLeftWhenTheTimeIsOver) {
  Serve({.certificate = &good_});
  daemon_.Reset();
  Turn();
  EXPECT_EQ(connection_->phase(), Phase::kParting);
  connection_->Expire();
  EXPECT_EQ(connection_->phase(), Phase::kEnded);
}

TEST_F(ConnectionTest, ATlsContextNeedsAllThreeParts) {
  const std::string own = server_.CertificatePem();
  const std::string key = server_.KeyPem();
  EXPECT_FALSE(MakeTlsContext({"", key, authority_.Pem()}).ok());
  EXPECT_FALSE(MakeTlsContext({own, "", authority_.Pem()}).ok());
  EXPECT_FALSE(MakeTlsContext({own, good_.KeyPem(), authority_.Pem()}).ok());
  EXPECT_FALSE(MakeTlsContext({own, key, "no PEM"}).ok());
}

}  // namespace
}  // namespace glovebox

// One client: its TLS connection, and once it is known who that is, the stream to the daemon that
// its bytes go through in the clear.
//
//   client --TCP--> Handshake --> name --hand-over--> up: SSL_read, write to the daemon
//                                                     down: read from the daemon, SSL_write
//
// Descriptors do not block and are watched edge-triggered: what a turn did not finish because the
// kernel had no more is gone on with after the next event, what it did not finish because it had
// had its share, in the next turn.
#ifndef GLOVEBOX_FRONT_CONNECTION_H_
#define GLOVEBOX_FRONT_CONNECTION_H_

#include <cstdint>
#include <string>

#include "base/unique_fd.h"
#include "front/byte_buffer.h"
#include "front/front_wire.h"
#include "front/tls_context.h"
#include "linux/tcp_endpoint.h"

namespace glovebox {

// One thread.
class Connection {
 public:
  // Of a direction in one turn: a busy stream lets the others pass.
  static constexpr size_t kTurnBytesMax = size_t{128} << 10;
  // Before a client is known: its hello, its chain, and room.
  static constexpr uint64_t kHandshakeBytesMax = 256 << 10;

  enum class Phase {
    kHandshake,
    kHandOver,  // through the handshake; Relay() is waited for
    kRelay,
    kParting,  // one side has ended; what is left goes to the other until a deadline
    kRefused,  // `refusal` says why; close it
    kEnded,    // close it
  };

  Connection(UniqueFd tcp, const TcpEndpoint& peer, TlsEnd tls)
      : tcp_(std::move(tcp)), peer_(peer), tls_(std::move(tls)) {}

  Phase phase() const { return phase_; }
  const TcpEndpoint& peer() const { return peer_; }
  int tcp_fd() const { return tcp_.get(); }
  int daemon_fd() const { return daemon_.get(); }
  // Of kHandOver: what the certificate calls the client, at most kFrontTextBytesMax bytes.
  const std::string& name() const { return name_; }
  // Of kRefused.
  FrontRefusal refusal() const { return refusal_; }
  const std::string& refusal_words() const { return refusal_words_; }

  // Events of epoll.
  void TcpReady(uint32_t events);
  void DaemonReady(uint32_t events);

  // `daemon`: our end of the stream to it.
  void Relay(UniqueFd daemon);

  // Does what can be done without waiting. True: there is more to do at once.
  bool TakeTurn();

  // To be called when its time is over. Whoever is in the handshake is refused, else it ends.
  void Expire();

 private:
  void Handshake();
  void Refuse(FrontRefusal why, std::string words);
  // Both say whether the share was used up with more to do.
  bool Up();
  bool Down();
  bool WriteToDaemon();
  bool ReadFromClient();
  bool WriteToClient();
  bool ReadFromDaemon();
  void EndDirections();

  const UniqueFd tcp_;
  const TcpEndpoint peer_;
  const TlsEnd tls_;  // before tcp_ closes
  UniqueFd daemon_;
  Phase phase_ = Phase::kHandshake;
  std::string name_;
  FrontRefusal refusal_ = FrontRefusal::kNone;
  std::string refusal_words_;
  // What the kernel may have, until it says EAGAIN.
  bool tcp_readable_ = true;
  bool tcp_writable_ = true;
  bool daemon_readable_ = true;
  bool daemon_writable_ = true;
  ByteBuffer up_;
  ByteBuffer down_;
  bool client_ended_ = false;   // nothing more comes from it
  bool daemon_ended_ = false;   // the same
  bool daemon_told_ = false;    // that the client has ended
  bool client_told_ = false;    // that the daemon has ended
  bool daemon_listens_ = true;  // else what the client says is dropped
};

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_CONNECTION_H_

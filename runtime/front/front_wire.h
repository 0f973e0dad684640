// What gloveboxd and glovebox-front say to each other: whole messages of fixed size over one
// SOCK_SEQPACKET socket between two processes of one build. The daemon takes each message of the
// front for a stranger's (daemon/front_message.h). Flat data; no pointer, no padding.
#ifndef GLOVEBOX_FRONT_FRONT_WIRE_H_
#define GLOVEBOX_FRONT_FRONT_WIRE_H_

#include <cstdint>
#include <type_traits>

namespace glovebox {

inline constexpr uint32_t kFrontMagic = 0x746e7266;  // "frnt"
inline constexpr uint32_t kFrontVersion = 1;
inline constexpr int kFrontControlFd = 3;  // what the front is started with, besides 0 to 2

// ---- daemon to front

// The first message, with four descriptors: the listening socket, and three sealed memfds of PEM:
// the certificate with intermediate ones, its key, the authorities of clients.
struct FrontSetup {
  uint32_t magic = kFrontMagic;
  uint32_t version = kFrontVersion;
  uint32_t uid = 0;  // whom the front becomes; the group has the same number
  uint32_t connections_max = 0;
  uint32_t strangers_max = 0;  // who is not through the handshake yet
  uint32_t network_strangers_max = 0;
  uint32_t handshake_ms = 0;  // from accept(2) to the hand-over
  uint32_t parting_ms = 0;    // for what is left when one side has ended
};
inline constexpr size_t kFrontSetupFds = 4;

// Later, without descriptors: no new connections; those that are open go on. The end of the socket
// ends the front.
struct FrontStopAccepting {
  uint32_t magic = kFrontMagic;
  uint32_t version = kFrontVersion;
};

// ---- front to daemon

enum class FrontMessageKind : uint32_t {
  kReady = 1,       // confined, and about to accept; first, once
  kFailed = 2,      // instead of kReady; `text` says why
  kConnection = 3,  // with one descriptor: the daemon's end of a unix stream
  kRefused = 4,     // a connection that is closed; `text` says why
};

enum class FrontRefusal : uint32_t {
  kNone = 0,  // of other kinds of message
  kNetworkFull = 1,
  kStrangersFull = 2,
  kAllFull = 3,
  kSlow = 4,         // not through the handshake in time, or in as many bytes
  kHandshake = 5,    // no TLS, no h2, another version
  kCertificate = 6,  // none, or none that the authorities vouch for
  kInternal = 7,     // the front lacks descriptors or memory
};
inline constexpr uint32_t kFrontRefusals = 8;

inline constexpr uint32_t kFrontTextBytesMax = 256;

struct FrontMessage {
  uint32_t magic = kFrontMagic;
  uint32_t version = kFrontVersion;
  FrontMessageKind kind = FrontMessageKind::kReady;
  FrontRefusal refusal = FrontRefusal::kNone;
  uint8_t address[16] = {};  // of kConnection and kRefused; IPv4 as ::ffff:a.b.c.d
  uint32_t port = 0;
  uint32_t text_bytes = 0;
  // kConnection: the first subject alternative name of the verified certificate, or its common
  // name, cut off here; otherwise words for the log. Zeros after it.
  char text[kFrontTextBytesMax] = {};
};

static_assert(std::is_trivially_copyable_v<FrontSetup> && sizeof(FrontSetup) == 32);
static_assert(std::is_trivially_copyable_v<FrontStopAccepting> && sizeof(FrontStopAccepting) == 8);
static_assert(std::is_trivially_copyable_v<FrontMessage> && sizeof(FrontMessage) == 296);

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_FRONT_WIRE_H_

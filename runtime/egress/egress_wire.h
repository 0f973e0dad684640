// What gloveboxd and glovebox-egress say to each other: whole messages of fixed size over one
// SOCK_SEQPACKET socket between two processes of one build. The daemon takes each message of the
// proxy for a stranger's. Flat data; no pointer, no padding.
#ifndef GLOVEBOX_EGRESS_EGRESS_WIRE_H_
#define GLOVEBOX_EGRESS_EGRESS_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace glovebox {

inline constexpr uint32_t kEgressMagic = 0x73726765;  // "egrs"
inline constexpr uint32_t kEgressVersion = 1;
inline constexpr int kEgressControlFd = 3;  // what the proxy is started with, besides 0 to 2

// An address as it is written on the wire; IPv4 in the first four bytes.
struct EgressEndpoint {
  uint8_t address[16] = {};
  uint32_t is_v6 = 0;
  uint32_t port = 0;
};

// ---- daemon to proxy

inline constexpr uint32_t kEgressNameServersMax = 4;
inline constexpr uint32_t kEgressCertificateBytesMax = 1024;
inline constexpr uint32_t kEgressKeyBytesMax = 256;
inline constexpr size_t kEgressRootsBytesMax = size_t{8} << 20;

// What the daemon says of the commands of a sandbox, in memory that the proxy can read alone: a
// word for each sandbox that there may be. It is another one before a command begins, and after the
// end of one is settled (kSettle). The number of the only command that runs, of those that the
// sandbox ever had; or one of these.
using EgressCommandWord = uint64_t;
inline constexpr EgressCommandWord kEgressNoCommand = 0;
// Or processes that one has left behind, or not known: whose a connection is, is to be asked.
inline constexpr EgressCommandWord kEgressSeveralCommands = ~uint64_t{0};

// The first message. With two descriptors: the roots that origins are held to where TLS is opened,
// PEM in a sealed memfd; a memfd with sandboxes_max words of commands.
struct EgressSetup {
  uint32_t magic = kEgressMagic;
  uint32_t version = kEgressVersion;
  uint32_t uid = 0;  // whom the proxy becomes; the group has the same number
  uint32_t sandboxes_max = 0;
  uint32_t connections_max = 0;  // of all sandboxes
  uint32_t opening_ms = 0;       // from accept(2) until it is known where to
  uint32_t connect_ms = 0;       // for one address
  uint32_t idle_ms = 0;          // without a byte in either direction
  uint32_t name_servers = 0;     // of those below
  uint32_t reserved = 0;
  EgressEndpoint name_server[kEgressNameServersMax];
  // Of the authority that sandboxes trust, DER.
  uint32_t certificate_bytes = 0;
  uint32_t key_bytes = 0;
  uint8_t certificate[kEgressCertificateBytesMax] = {};
  uint8_t key[kEgressKeyBytesMax] = {};
};

enum class EgressOrderKind : uint32_t {
  // Descriptors: the policy (a sealed memfd, egress_policy_wire.h), a file of an EgressBytes, the
  // sockets.
  kAddSandbox = 1,
  kReplacePolicy = 2,  // descriptor: the policy
  kRemoveSandbox = 3,  // no descriptor; its connections end
  kAddSockets = 4,     // descriptors: more sockets
  // No descriptor; answered after all events that were there before. What waits in the sockets of
  // `sandbox` was accepted by then, or answered.
  kSettle = 5,
  kSetNameServers = 6,  // no descriptor, no sandbox; questions under way are asked again
};

// What a socket of a sandbox is for. TCP ones listen; none of them blocks.
enum class EgressRole : uint32_t {
  kTransparent = 1,  // where it was to go is the address it came to
  kHttpProxy = 2,    // CONNECT and absolute URIs
  kSocks5 = 3,
  kDnsUdp = 4,
  kDnsTcp = 5,
  kClientDiag = 6,  // NETLINK_SOCK_DIAG: which command a client is of
};
inline constexpr uint32_t kEgressSocketsMax = 64;  // of one sandbox
// Of all sandboxes together there are at most so many for each of sandboxes_max.
inline constexpr uint32_t kEgressSocketsOnAverage = 8;

// What a sandbox has sent and received since it was made, in a file that outlives proxy and daemon.
// The proxy alone reads and writes it, mapped: each byte is counted before it goes on.
struct EgressBytes {
  uint64_t sent = 0;
  uint64_t received = 0;
};

// Each is answered with an EgressMessage of kAnswer, in turn.
struct EgressOrder {
  uint32_t magic = kEgressMagic;
  uint32_t version = kEgressVersion;
  EgressOrderKind kind = EgressOrderKind::kAddSandbox;
  uint32_t sequence = 0;      // comes back in the answer
  uint64_t sandbox = 0;       // a number that the daemon never uses again
  uint32_t sockets = 0;       // of kAdd*: so many roles, in the order of the descriptors
  uint32_t name_servers = 0;  // of kSetNameServers: so many of those below
  uint32_t word = 0;          // of kAddSandbox: which of the words of commands is its own
  uint32_t unused = 0;
  EgressRole role[kEgressSocketsMax] = {};
  EgressEndpoint name_server[kEgressNameServersMax];
};

// ---- proxy to daemon

enum class EgressMessageKind : uint32_t {
  kReady = 1,   // confined; first, once
  kFailed = 2,  // instead of kReady; `text` says why
  kAnswer = 3,  // to an order
  kEvent = 4,
};

enum class EgressEventKind : uint32_t {
  kNone = 0,  // of other messages
  kOpened = 1,
  kRefused = 2,
  kClosed = 3,  // of one that was opened, or whose destination did not answer
};

struct EgressMessage {
  uint32_t magic = kEgressMagic;
  uint32_t version = kEgressVersion;
  EgressMessageKind kind = EgressMessageKind::kReady;
  EgressEventKind event = EgressEventKind::kNone;
  uint32_t sequence = 0;         // of kAnswer
  uint32_t failed = 0;           // of kAnswer: 1, and `text` says why
  uint32_t connections_cut = 0;  // of kAnswer
  uint32_t denial = 0;           // of kRefused, and of kClosed when it was cut: EgressDenial
  uint64_t sandbox = 0;
  uint64_t connection = 0;  // the same in all events of one
  // Events that were dropped before this one: refusals of its sandbox beyond their rate, since that
  // sandbox's last event; and any sandbox's that found the queue full, since the last that did not.
  uint64_t lost = 0;
  // Which command it was of, as of ClientCommand: at most one of them.
  uint64_t command = 0;
  uint64_t command_cgroup_id = 0;
  int64_t start_unix_ms = 0;
  uint64_t duration_ms = 0;
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
  uint32_t port = 0;  // as asked for; 0: a question to the name server
  uint32_t has_address = 0;
  EgressEndpoint address;  // that was dialled
  // Printable ASCII, zeros behind it.
  char host[256] = {};  // as asked for
  char rule[64] = {};
  char method[32] = {};  // of the first request, where seen
  char path[512] = {};   // likewise, without its query
  char text[256] = {};
};

static_assert(std::is_trivially_copyable_v<EgressSetup> && sizeof(EgressSetup) == 1424);
static_assert(std::is_trivially_copyable_v<EgressOrder> && sizeof(EgressOrder) == 392);
static_assert(std::is_trivially_copyable_v<EgressBytes> && sizeof(EgressBytes) == 16);
static_assert(std::is_trivially_copyable_v<EgressMessage> && sizeof(EgressMessage) == 1256);

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_EGRESS_WIRE_H_

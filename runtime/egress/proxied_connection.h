// One connection of a payload, from accept(2) to its end:
//
//   ask      where to: the address it came to, CONNECT, an absolute URI, SOCKS
//   judge    the name and the port, by the sandbox's rules at that moment
//   examine  what it says first, where the rule needs that: TLS name, Host, method and path
//   dial     the name's addresses as the host's name servers have them, each judged again, and
//            exactly those; never an address that the payload named in place of a name
//   relay    bytes both ways, each direction with its own end; where a rule judges requests over
//            TLS: request by request, between two TLS connections that end here
//
// With an explicit proxy the order is ask, judge, dial, reply, examine: its client speaks after the
// reply. A refusal is said in the words of whatever protocol the client speaks.
#ifndef GLOVEBOX_EGRESS_PROXIED_CONNECTION_H_
#define GLOVEBOX_EGRESS_PROXIED_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "egress/client_hello.h"
#include "egress/destination.h"
#include "egress/http2_relay.h"
#include "egress/http_request.h"
#include "egress/net_io.h"
#include "egress/net_stream.h"
#include "egress/sandbox_egress.h"
#include "egress/tls_ends.h"

namespace glovebox {

// One thread.
class ProxiedConnection : public std::enable_shared_from_this<ProxiedConnection> {
 public:
  // Counts as one of the sandbox's from here until it is destroyed.
  ProxiedConnection(std::shared_ptr<SandboxEgress> sandbox, EgressRole role, tcp::socket client,
                    const ClientCommand& command);
  ~ProxiedConnection();
  ProxiedConnection(const ProxiedConnection&) = delete;
  ProxiedConnection& operator=(const ProxiedConnection&) = delete;

  awaitable<void> Run();

  // With rules that have changed: ends it when those before allowed it and they would not, or
  // those of its streams; whether anything was. One that is still to be judged is judged by them
  // then.
  bool JudgeAgain();
  // Resets both sides now; `denial` is the event's.
  void Abort(EgressDenial denial);

 private:
  static constexpr size_t kReadBytes = 4096;
  static constexpr size_t kEarlyBytesMax = ClientHelloReader::kBytesMax + kReadBytes;
  static constexpr uint32_t kPartingMs = 2000;  // for a client to take what was said to it
  static constexpr char kTlsHandshake = 22;
  static constexpr char kNoTls[] = "it does not speak TLS 1.2 or 1.3 with this proxy";

  enum class Way { kUnknown, kTcp, kTls, kHttp, kOpened };
  enum class Origin { kUnmet, kMet, kFailed };          // its TLS, when that is opened
  enum class Spoken { kNothing, kTls, kHttp, kSocks };  // by the client, as far as it is known

  awaitable<bool> Ask();
  awaitable<bool> AskTransparent();
  awaitable<bool> AskHttpProxy();
  awaitable<bool> AskSocks();
  awaitable<bool> ReadMore();
  awaitable<bool> ReadOpening();
  awaitable<bool> ReadHello();
  awaitable<bool> ReadHttpHead();
  bool Judge();
  awaitable<bool> Examine();
  awaitable<bool> ExamineTls();
  awaitable<bool> ExamineHttp();
  bool HostFits() const;
  void NoteRequest(std::string method);
  bool JudgeHttp();
  bool JudgeOpened();
  EgressRequestGrant OpenedGrant(const EgressGrant& now, const std::string& method,
                                 const std::optional<std::string>& normal_path) const;
  EgressDenial JudgeUnderWay(const EgressGrant& now, const std::string& method,
                             const std::optional<std::string>& normal_path,
                             const CredentialHeader* credential) const;
  awaitable<bool> Dial();
  awaitable<std::vector<IpAddress>> Resolve();
  awaitable<bool> Connect(const IpAddress& address);
  awaitable<bool> Reply();
  awaitable<void> Relay();
  awaitable<void> RelayHttp();
  // Of a connection whose TLS is opened.
  struct Turn {
    bool sent = false;      // the whole request
    bool answered = false;  // by the origin, or by us in its place
    bool keeps = false;     // both sides say that another one may follow
  };
  awaitable<void> ServeOpened();
  awaitable<bool> OpenClient(HttpVersion version);
  awaitable<bool> OpenOrigin();
  awaitable<void> MeetOrigin(HttpVersion version);
  void BeginRelay();
  awaitable<bool> ServeRequest();
  awaitable<bool> Exchange();
  awaitable<void> SendRequest(Turn* turn);
  awaitable<void> TakeResponse(Turn* turn);
  // Of one in which HTTP/2 is spoken.
  class Streams;
  awaitable<HttpVersion> ChooseVersion();
  bool TakeSecondPlace();
  void LeavePlaces(uint32_t left);
  bool TakeWide();
  awaitable<void> ServeHttp2();
  awaitable<void> Pump(tcp::socket* from, tcp::socket* to, bool sending);
  bool Count(bool sending, size_t bytes);
  awaitable<bool> Refuse(EgressDenial denial);
  int StatusOf(EgressDenial denial) const;
  // `status` of an answer in HTTP; 0: 502, or 400 before it is known where to.
  awaitable<bool> Fail(const std::string& why, int status = 0);
  awaitable<void> Say(const std::string& words);
  awaitable<void> SayLast(const std::string& words);
  void Arm(uint32_t ms);
  void TimeIsUp();
  void Tell(EgressEventKind kind, EgressDenial denial);
  IpAddress CameTo() const;

  const std::shared_ptr<SandboxEgress> sandbox_;
  EgressShared* const shared_;
  const EgressRole role_;
  const ClientCommand command_;
  const uint64_t number_;
  const int64_t start_ns_;
  const int64_t start_unix_ms_;
  tcp::socket client_;
  tcp::socket upstream_;
  SocketStream client_socket_;
  std::unique_ptr<TlsStream> inner_;  // to the client, when TLS is opened
  std::unique_ptr<TlsStream> outer_;  // to the origin, likewise, once it was met
  NetStream* client_stream_;          // client_socket_, or inner_
  asio::steady_timer deadline_;
  asio::steady_timer lookup_;
  Destination asked_;
  bool knows_destination_ = false;
  EgressGrant grant_;
  bool allowed_ = false;  // by name and port, and not refused since
  Way way_ = Way::kUnknown;
  Spoken spoken_ = Spoken::kNothing;
  std::string rule_;
  std::string early_;  // read from the client, and not sent on yet
  ClientHelloReader hello_;
  bool hello_read_ = false;  // whole, and well-formed
  std::unique_ptr<HttpRequest> request_;
  std::string method_;
  std::string path_;    // for events
  std::string target_;  // for the origin
  std::optional<std::string> normal_path_;
  std::shared_ptr<const CredentialHeader> credential_;  // that the request gets; null: none
  std::optional<IpAddress> dialled_;
  Origin origin_ = Origin::kUnmet;
  std::unique_ptr<Http2Relay> http2_;  // while it serves streams
  uint32_t places_ = 1;                // that it takes of the connections that there may be
  bool wide_ = false;                  // likewise, of wide windows
  bool in_request_ = false;  // of an opened connection: allowed, and not answered to its end
  std::string untrusted_;    // why the origin's certificate was not taken
  bool opened_ = false;
  bool relaying_ = false;
  bool ended_ = false;  // Abort() was called
  EgressDenial cut_by_ = EgressDenial::kNone;
  int64_t last_byte_ns_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t received_bytes_ = 0;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_PROXIED_CONNECTION_H_

// HTTP/2 between a client and an origin, both of whose TLS ends here: streams of the one become
// streams of the other, each judged when its head has come.
//
//   client ── Http2End ──► judge ──► stream (up, down) ──► Http2End ── origin
//
// What a stream has read and not sent on is bounded by the windows of its ends, and these grow as
// the other side takes it: who reads slowly stops who writes. Ends of streams, trailers, resets
// with their codes and GOAWAY go through in both directions; settings, pings, priorities and
// interim answers do not, and nothing is pushed.
#ifndef GLOVEBOX_EGRESS_HTTP2_RELAY_H_
#define GLOVEBOX_EGRESS_HTTP2_RELAY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "egress/http2_end.h"
#include "egress/http2_head.h"

namespace glovebox {

// What a request is answered here, when it goes no further.
struct Http2Refusal {
  int status = 0;
  std::string reason;    // of X-Glovebox-Policy
  std::string sentence;  // the body
  bool is_last = false;  // the connection serves no other request
};

// Of one that goes on: what it is judged by when rules change.
struct Http2Judged {
  std::string method;
  std::string target;  // for the origin
  std::optional<std::string> normal_path;
  std::shared_ptr<const CredentialHeader> credential;  // that the request got; null: none
};

// Whose streams they are.
class Http2Owner {
 public:
  virtual ~Http2Owner() = default;
  // Absent: the request goes on as `judged` says, and with the fields that `request` then has.
  virtual std::optional<Http2Refusal> Judge(Http2Request* request, Http2Judged* judged) = 0;
  // By rules that have changed, of one under way.
  virtual std::optional<Http2Refusal> JudgeAgain(const Http2Judged& judged) = 0;
  // Of the connection to the origin. False: a limit forbids it, and the relay was stopped.
  virtual bool Count(bool sending, size_t bytes) = 0;
  // The client has sent or was sent something.
  virtual void Touch() = 0;
  // Ends what is read and written of the origin, or of both.
  virtual void LeaveOrigin() = 0;
  virtual void LeaveBoth() = 0;
};

// One thread.
class Http2Relay : private Http2End::Events {
 public:
  // What is held of requests, where the round trip is that to a neighbour, and of answers. Wide:
  // for an origin far away.
  static constexpr Http2End::Windows kRequests{32 << 10, 96 << 10};
  static constexpr Http2End::Windows kAnswers{128 << 10, 192 << 10};
  static constexpr Http2End::Windows kWideAnswers{1 << 20, 2 << 20};

  // All outlive it. `origin` null: there is none, and the owner refuses everything.
  Http2Relay(Http2Owner* owner, NetStream* client, NetStream* origin, Http2End::Windows answers,
             const Clock* clock, asio::io_context* io);
  ~Http2Relay() override;

  // Until one side is gone. Whether all was said, and the client may be waited for.
  awaitable<bool> Run();
  // Ends it without a word; the owner has closed the connections.
  void Stop();
  // Every stream under way, by the owner. How many were cut.
  uint32_t JudgeAgain();

 private:
  struct Stream;
  // Streams that are not over, with those that one side has left.
  static constexpr size_t kStreamsKept = 128;
  static constexpr size_t kJudgedBytesMax = size_t{64} << 10;  // of all of them
  static constexpr int kInterimMax = 16;                       // as HttpResponse's
  static constexpr size_t kRefusedBodyMax = size_t{64} << 10;

  void OnHead(Http2End* end, int32_t id, Http2End::Head head) override;
  void OnBody(Http2End* end, int32_t id, absl::string_view piece) override;
  void OnBodyEnd(Http2End* end, int32_t id) override;
  void OnClosed(Http2End* end, int32_t id, uint32_t code) override;
  void OnHeadSent(Http2End* end, int32_t id) override;
  void OnEndSent(Http2End* end, int32_t id) override;
  void OnSettings(Http2End* end) override;
  void OnGoaway(Http2End* end) override;
  ssize_t Take(Http2End* end, int32_t id, uint8_t* room, size_t size, uint32_t* flags) override;
  void OnTurn() override;
  bool MayRead(Http2End* end) override;
  bool OnBytes(Http2End* end, bool written, size_t bytes) override;
  void OnGone(Http2End* end, bool all_said) override;

  Stream* Find(const Http2End* end, int32_t id);
  bool HasRoom(const Http2Judged& judged, size_t head_bytes) const;
  void TakeRequest(int32_t id, Http2End::Head head);
  bool SendRequest(Stream* stream, const Http2Request& request);
  void TakeResponse(Stream* stream, Http2End::Head head);
  void TakeTrailers(Http2End* from, Stream* stream, Http2End::Head head);
  void Answer(Stream* stream, const Http2Refusal& refusal);
  void NoAnswer(Stream* stream, uint32_t code);
  void Drop(Http2End* from, Stream* stream);
  void DropPiece(Http2End* end, int32_t id, Stream* stream, size_t size);
  void LeaveAtOrigin(Stream* stream, uint32_t code);
  void LoseOrigin();
  void LeaveClient();
  void ForgetIfOver(Stream* stream);

  Http2Owner* const owner_;
  Http2End client_;
  std::unique_ptr<Http2End> origin_;
  std::map<int32_t, std::unique_ptr<Stream>> streams_;  // by their numbers at the client
  std::map<int32_t, Stream*> at_origin_;                // of those that are open there
  size_t judged_bytes_ = 0;
  bool origin_takes_ = false;  // new streams
  bool leaves_ = false;        // the client, when it has no more streams
  bool ended_well_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP2_RELAY_H_

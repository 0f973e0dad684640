// One side of a connection whose TLS is opened and in which HTTP/2 is spoken: a session of
// libnghttp2 over a stream, which reads and writes frames, keeps windows, and tells what came.
#ifndef GLOVEBOX_EGRESS_HTTP2_END_H_
#define GLOVEBOX_EGRESS_HTTP2_END_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "egress/http2_head.h"
#include "egress/net_io.h"
#include "egress/net_stream.h"
#include "egress/rate_budget.h"

namespace glovebox {

// One thread. What the other side can make it hold is bounded by the windows, by
// kHeadsWaitingBytes, and by the reader, which waits while much is to be written. Bodies are not
// taken faster than Take() of the other end asks for them: a window grows with Consume() alone.
class Http2End {
 public:
  enum class Role { kServer, kClient };
  // Bytes of bodies that were read and not sent on.
  struct Windows {
    int32_t stream = 0;
    int32_t connection = 0;
  };

  static constexpr uint32_t kStreamsMax = 100;
  static constexpr uint32_t kRequestHeadBytesMax = 32 << 10;   // as HttpRequest's
  static constexpr uint32_t kResponseHeadBytesMax = 64 << 10;  // as HttpResponse's
  static constexpr uint32_t kTrailerBytesMax = 16 << 10;
  static constexpr size_t kHeadsWaitingBytes = size_t{64} << 10;  // that were not sent on yet
  static constexpr size_t kFramesWaiting = 200;      // to be written, before no more is read
  static constexpr uint32_t kResetsPerSecond = 100;  // of either side, before the end
  // Frames that ask for nothing but an answer or for nothing at all; programs that measure a
  // connection send a PING in each round trip.
  static constexpr uint32_t kIdleFramesPerSecond = 5000;

  // Of a request or an answer; also trailers.
  struct Head {
    Http2Fields fields;
    bool too_large = false;  // fields were dropped
    bool opens = false;      // its stream
    bool ends = false;       // its direction of the stream
  };

  // What came, in turn. Not called from within one another.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void OnHead(Http2End* end, int32_t stream, Head head) = 0;
    virtual void OnBody(Http2End* end, int32_t stream, absl::string_view piece) = 0;
    virtual void OnBodyEnd(Http2End* end, int32_t stream) = 0;
    // Of one that is closed, or was never opened. `code`: of RST_STREAM; 0: both sides ended it.
    virtual void OnClosed(Http2End* end, int32_t stream, uint32_t code) = 0;
    virtual void OnHeadSent(Http2End* end, int32_t stream) = 0;
    virtual void OnEndSent(Http2End* end, int32_t stream) = 0;
    virtual void OnSettings(Http2End* end) = 0;
    virtual void OnGoaway(Http2End* end) = 0;
    // Some of the body to send, at most `room` bytes; `flags` as nghttp2 has them, or DEFERRED.
    virtual ssize_t Take(Http2End* end, int32_t stream, uint8_t* room, size_t size,
                         uint32_t* flags) = 0;
    // After each turn: there may be something to write, and room to read.
    virtual void OnTurn() = 0;
    virtual bool MayRead(Http2End* end) = 0;
    // Bytes of the connection; false: no more, it was ended.
    virtual bool OnBytes(Http2End* end, bool written, size_t bytes) = 0;
    // No stream can go on: the other side went away, or `all_said`.
    virtual void OnGone(Http2End* end, bool all_said) = 0;
  };

  // All outlive it.
  Http2End(Role role, Windows windows, NetStream* stream, Events* events, const Clock* clock,
           asio::io_context* io);
  ~Http2End();
  Http2End(const Http2End&) = delete;
  Http2End& operator=(const Http2End&) = delete;

  // False: without memory.
  bool Start();
  // Until the other side is gone or Stop() was called; whoever stops it ends reads and writes of
  // the stream.
  awaitable<void> Run();
  void Stop();
  bool stopped() const { return stopped_; }

  nghttp2_session* session() { return session_; }
  Role role() const { return role_; }
  void Wake();

  void Reset(int32_t stream, uint32_t code);
  // So many bytes of a body went on, or nobody wants them.
  void Consume(int32_t stream, size_t bytes);
  // How many streams the other side may have. It is told when it has acknowledged what it was told
  // before: libnghttp2 keeps all that is not.
  void AllowStreams(uint32_t streams);
  // No new streams of the other side; those that are there go on.
  void SayGoaway();
  // Ends all streams, and the connection when that was sent.
  void Terminate(uint32_t code);
  // What waits to be written, but bodies.
  size_t frames_waiting() const { return nghttp2_session_get_outbound_queue_size(session_); }
  size_t heads_waiting_bytes = 0;

 private:
  struct Calls;  // libnghttp2's, with this for their argument

  awaitable<void> ReadAll();
  awaitable<void> WriteAll();
  awaitable<void> WaitFor(asio::steady_timer* timer);
  void Feed(absl::string_view bytes);
  bool Gather(std::string* out);
  bool TakeField(absl::string_view name, absl::string_view value);
  void OnFrame(const nghttp2_frame& frame);
  size_t HeadBytesMax() const {
    return role_ == Role::kServer ? kRequestHeadBytesMax : kResponseHeadBytesMax;
  }
  void CountIdleFrame();
  void CountReset();
  void TellStreams();

  const Role role_;
  const Windows windows_;
  NetStream* const stream_;
  Events* const events_;
  const Clock* const clock_;
  nghttp2_session* session_ = nullptr;
  asio::steady_timer readable_;
  asio::steady_timer writable_;
  RateBudget resets_{kResetsPerSecond};
  RateBudget idle_frames_{kIdleFramesPerSecond};
  Http2Fields head_;       // that is being read: they come one after another
  int32_t consumed_ = 0;   // of the connection's window, and not told
  size_t head_bytes_ = 0;  // also of fields that were dropped
  uint32_t streams_allowed_ = kStreamsMax;
  uint32_t streams_told_ = kStreamsMax;
  bool settings_known_ = false;  // the other side has acknowledged them
  bool stopped_ = false;
  bool terminated_ = false;  // what comes is not looked at any more
};

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_HTTP2_END_H_

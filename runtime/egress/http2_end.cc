#include "egress/http2_end.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <new>
#include <utility>

namespace glovebox {
namespace {

// NOLINTNEXTLINE(misc-unused-using-decls): clang-tidy does not see what is awaited
using asio::experimental::awaitable_operators::operator&&;

constexpr size_t kReadBytes = size_t{16} << 10;
// Of what was read at a time: heads are short on the wire and long when they are decoded.
constexpr size_t kSliceBytes = size_t{2} << 10;
constexpr size_t kWriteBytes = size_t{16} << 10;  // before they are sent; a frame may come on top
constexpr int32_t kWindowStep = 8 << 10;
constexpr uint32_t kTooLargeTimes = 4;  // a head beyond its limit ends the connection

// libnghttp2 is C: an exception must not pass through it. They are for want of memory.
template <typename Function>
int Guarded(Function function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
}

absl::string_view Text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

bool Ends(const nghttp2_frame& frame) { return (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0; }

}  // namespace

struct Http2End::Calls {
  static Http2End* Of(void* end) { return static_cast<Http2End*>(end); }

  static int Begin(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, void* end) {
    Of(end)->head_.clear();
    Of(end)->head_bytes_ = 0;
    return 0;
  }
  static int Field(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/,
                   const uint8_t* name, size_t name_size, const uint8_t* value, size_t value_size,
                   uint8_t /*flags*/, void* end) {
    return Guarded([&] {
      return Of(end)->TakeField(Text(name, name_size), Text(value, value_size))
                 ? 0
                 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    });
  }
  static int Frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* end) {
    return Guarded([&] { return Of(end)->OnFrame(*frame), 0; });
  }
  static int Body(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t stream,
                  const uint8_t* data, size_t size, void* end) {
    return Guarded([&] { return Of(end)->events_->OnBody(Of(end), stream, Text(data, size)), 0; });
  }
  static int Closed(nghttp2_session* /*session*/, int32_t stream, uint32_t code, void* end) {
    return Guarded([&] { return Of(end)->events_->OnClosed(Of(end), stream, code), 0; });
  }
  static int Sent(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* end) {
    return Guarded([&] {
      Events* const events = Of(end)->events_;
      if (frame->hd.type == NGHTTP2_RST_STREAM) Of(end)->CountReset();
      if (frame->hd.type == NGHTTP2_HEADERS) events->OnHeadSent(Of(end), frame->hd.stream_id);
      const bool body = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
      if (body && Ends(*frame)) events->OnEndSent(Of(end), frame->hd.stream_id);
      return 0;
    });
  }
  static int NotSent(nghttp2_session* /*session*/, const nghttp2_frame* frame, int /*error*/,
                     void* end) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    // A request of which nothing was sent, as behind a GOAWAY, may be sent anew elsewhere.
    const bool unseen = frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    return Guarded([&] {
      Of(end)->events_->OnClosed(Of(end), frame->hd.stream_id,
                                 unseen ? NGHTTP2_REFUSED_STREAM : NGHTTP2_INTERNAL_ERROR);
      return 0;
    });
  }
};

Http2End::Http2End(Role role, Windows windows, NetStream* stream, Events* events,
                   const Clock* clock, asio::io_context* io)
    : role_(role),
      windows_(windows),
      stream_(stream),
      events_(events),
      clock_(clock),
      readable_(*io),
      writable_(*io) {}

Http2End::~Http2End() { nghttp2_session_del(session_); }

bool Http2End::Start() {
  nghttp2_session_callbacks* calls = nullptr;
  nghttp2_option* options = nullptr;
  if (nghttp2_session_callbacks_new(&calls) != 0 || nghttp2_option_new(&options) != 0) {
    nghttp2_session_callbacks_del(calls);
    return false;
  }
  nghttp2_session_callbacks_set_on_begin_headers_callback(calls, Calls::Begin);
  nghttp2_session_callbacks_set_on_header_callback(calls, Calls::Field);
  nghttp2_session_callbacks_set_on_frame_recv_callback(calls, Calls::Frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, Calls::Body);
  nghttp2_session_callbacks_set_on_stream_close_callback(calls, Calls::Closed);
  nghttp2_session_callbacks_set_on_frame_send_callback(calls, Calls::Sent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, Calls::NotSent);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  nghttp2_option_set_max_outbound_ack(options, 2 * kFramesWaiting);
  nghttp2_option_set_max_reserved_remote_streams(options, 0);
  const bool server = role_ == Role::kServer;
  const int made = server ? nghttp2_session_server_new2(&session_, calls, this, options)
                          : nghttp2_session_client_new2(&session_, calls, this, options);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(calls);
  if (made != 0) return false;
  const auto window = static_cast<uint32_t>(windows_.stream);
  const nghttp2_settings_entry of_server[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreamsMax},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kRequestHeadBytesMax},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  const nghttp2_settings_entry of_client[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kResponseHeadBytesMax},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  return nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, server ? of_server : of_client, 4) ==
             0 &&
         nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                               windows_.connection) == 0;
}

awaitable<void> Http2End::Run() { co_await (ReadAll() && WriteAll()); }

void Http2End::Stop() {
  stopped_ = true;
  Wake();
}

void Http2End::Wake() {
  readable_.cancel();
  writable_.cancel();
}

// One thread: between a look at what it waits for and the wait nothing happens.
awaitable<void> Http2End::WaitFor(asio::steady_timer* timer) {
  timer->expires_at(asio::steady_timer::time_point::max());
  (void)co_await timer->async_wait(kAsTuple);
}

awaitable<void> Http2End::ReadAll() {
  std::string room(kReadBytes, 0);
  while (!stopped_) {
    const NetStream::Got got = co_await stream_->Read(asio::buffer(room));
    if (stopped_) co_return;
    if (got.bytes != 0 && !events_->OnBytes(this, /*written=*/false, got.bytes)) co_return;
    for (size_t at = 0; at < got.bytes; at += kSliceBytes) {
      while (!stopped_ && (frames_waiting() > kFramesWaiting || !events_->MayRead(this))) {
        co_await WaitFor(&readable_);
      }
      if (stopped_) co_return;
      Feed(absl::string_view(room).substr(at, std::min(kSliceBytes, got.bytes - at)));
      events_->OnTurn();
    }
    if (got.error && !stopped_) {
      events_->OnGone(this, /*all_said=*/false);
      co_return;
    }
  }
}

void Http2End::Feed(absl::string_view bytes) {
  if (terminated_) return;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken >= 0) return;
  Terminate(taken == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
}

// What there is to write, up to a piece. False: the session is broken.
bool Http2End::Gather(std::string* out) {
  out->clear();
  while (out->size() < kWriteBytes) {
    const uint8_t* piece = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &piece);
    if (size < 0) return false;
    if (size == 0) break;
    out->append(reinterpret_cast<const char*>(piece), static_cast<size_t>(size));
  }
  return true;
}

awaitable<void> Http2End::WriteAll() {
  std::string out;
  while (!stopped_) {
    const bool gathered = Gather(&out);
    if (!out.empty()) events_->OnTurn();  // windows of the other end have grown
    const bool all_said = out.empty() && nghttp2_session_want_read(session_) == 0 &&
                          nghttp2_session_want_write(session_) == 0;
    if (!gathered || all_said) {
      if (!stopped_) events_->OnGone(this, gathered);
      co_return;
    }
    if (out.empty()) {
      co_await WaitFor(&writable_);
      continue;
    }
    if (!events_->OnBytes(this, /*written=*/true, out.size())) co_return;
    const bool written = co_await stream_->Write(asio::buffer(out));
    if (stopped_) co_return;
    if (!written) {
      events_->OnGone(this, /*all_said=*/false);
      co_return;
    }
  }
}

bool Http2End::TakeField(absl::string_view name, absl::string_view value) {
  const size_t most = HeadBytesMax();
  head_bytes_ += name.size() + value.size() + kHttp2FieldBytes;
  if (head_bytes_ > kTooLargeTimes * most) {
    Terminate(NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
  }
  if (head_bytes_ <= most) {
    head_.push_back({std::string(name), std::string(value)});
  } else {
    head_.clear();
  }
  return true;
}

void Http2End::OnFrame(const nghttp2_frame& frame) {
  const int32_t stream = frame.hd.stream_id;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      events_->OnHead(this, stream,
                      {std::exchange(head_, {}), head_bytes_ > HeadBytesMax(),
                       frame.headers.cat == NGHTTP2_HCAT_REQUEST, Ends(frame)});
      break;
    case NGHTTP2_DATA:
      if (Ends(frame)) {
        events_->OnBodyEnd(this, stream);
      } else if (frame.hd.length <= frame.data.padlen) {
        CountIdleFrame();
      }
      break;
    case NGHTTP2_RST_STREAM:
      CountReset();
      break;
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        events_->OnSettings(this);
      } else {
        settings_known_ = true;
        TellStreams();
      }
      CountIdleFrame();
      break;
    case NGHTTP2_GOAWAY:
      events_->OnGoaway(this);
      break;
    case NGHTTP2_WINDOW_UPDATE:
      break;
    default:  // PING, PRIORITY
      CountIdleFrame();
      break;
  }
}

void Http2End::CountIdleFrame() {
  if (!idle_frames_.Take(clock_->MonotonicNanos())) Terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2End::CountReset() {
  if (!resets_.Take(clock_->MonotonicNanos())) Terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2End::Reset(int32_t stream, uint32_t code) {
  (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, code);
}

// libnghttp2 opens a window when half of it is used, which it never is of the connection's while
// streams that wait hold the other half.
void Http2End::Consume(int32_t stream, size_t bytes) {
  (void)nghttp2_session_consume_stream(session_, stream, bytes);
  consumed_ += static_cast<int32_t>(bytes);
  if (consumed_ < kWindowStep) return;
  (void)nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, 0, std::exchange(consumed_, 0));
}

void Http2End::AllowStreams(uint32_t streams) {
  streams_allowed_ = streams;
  TellStreams();
}

void Http2End::TellStreams() {
  if (!settings_known_ || streams_allowed_ == streams_told_) return;
  settings_known_ = false;
  streams_told_ = streams_allowed_;
  const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams_told_};
  (void)nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &entry, 1);
}

void Http2End::SayGoaway() {
  (void)nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                              nullptr, 0);
}

void Http2End::Terminate(uint32_t code) {
  terminated_ = true;
  (void)nghttp2_session_terminate_session(session_, code);
}

}  // namespace glovebox

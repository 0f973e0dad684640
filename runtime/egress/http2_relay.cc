#include "egress/http2_relay.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"

namespace glovebox {
namespace {

// NOLINTNEXTLINE(misc-unused-using-decls): clang-tidy does not see what is awaited
using asio::experimental::awaitable_operators::operator&&;

constexpr int kBadGateway = 502;
constexpr int kContinue = 100;
constexpr int kFirstFinal = 200;
constexpr int kSwitches = 101;

// `fields` outlives it; libnghttp2 copies.
std::vector<nghttp2_nv> Pairs(const Http2Fields& fields) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(fields.size());
  for (const auto& [name, value, is_secret] : fields) {
    const uint8_t flags = is_secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), flags});
  }
  return pairs;
}

ssize_t TakeBody(nghttp2_session* /*session*/, int32_t stream, uint8_t* room, size_t size,
                 uint32_t* flags, nghttp2_data_source* source, void* end) {
  try {
    return static_cast<Http2End::Events*>(source->ptr)
        ->Take(static_cast<Http2End*>(end), stream, room, size, flags);
  } catch (const std::bad_alloc&) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
}

}  // namespace

struct Http2Relay::Stream {
  // One direction.
  struct Flow {
    absl::Cord body;  // read, and not sent on
    bool ended = false;
    Http2Fields trailers;
    size_t head_bytes = 0;  // that are counted as waiting at the end that sends it
    size_t trailer_bytes = 0;
  };
  int32_t id = 0;
  int32_t origin_id = 0;
  Http2Judged judged;
  size_t judged_bytes = 0;
  bool at_client = true;
  bool at_origin = false;
  bool is_head = false;
  bool answered = false;  // with a head that is final
  bool goes_on = false;   // it is being told so, by a head that is not
  bool refused = false;   // here: what comes of it is dropped
  int interim = 0;
  size_t dropped = 0;  // of the body of one that is refused
  Flow up;
  Flow down;
};

Http2Relay::Http2Relay(Http2Owner* owner, NetStream* client, NetStream* origin,
                       Http2End::Windows answers, const Clock* clock, asio::io_context* io)
    : owner_(owner), client_(Http2End::Role::kServer, kRequests, client, this, clock, io) {
  if (origin == nullptr) return;
  Events* const events = this;  // to which std has no access
  origin_ = std::make_unique<Http2End>(Http2End::Role::kClient, answers, origin, events, clock, io);
  origin_takes_ = true;
}

Http2Relay::~Http2Relay() = default;

awaitable<bool> Http2Relay::Run() {
  if (!client_.Start() || (origin_ != nullptr && !origin_->Start())) co_return false;
  if (origin_ == nullptr) {
    co_await client_.Run();
  } else {
    co_await (client_.Run() && origin_->Run());
  }
  co_return ended_well_;
}

void Http2Relay::Stop() {
  client_.Stop();
  if (origin_ != nullptr) origin_->Stop();
}

Http2Relay::Stream* Http2Relay::Find(const Http2End* end, int32_t id) {
  if (end == &client_) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second.get();
  }
  const auto found = at_origin_.find(id);
  return found == at_origin_.end() ? nullptr : found->second;
}

void Http2Relay::OnTurn() {
  client_.Wake();
  if (origin_ != nullptr) origin_->Wake();
}

bool Http2Relay::MayRead(Http2End* end) {
  const Http2End* const other = end == &client_ ? origin_.get() : &client_;
  return other == nullptr || other->stopped() ||
         (other->heads_waiting_bytes < Http2End::kHeadsWaitingBytes &&
          other->frames_waiting() <= Http2End::kFramesWaiting);
}

bool Http2Relay::OnBytes(Http2End* end, bool written, size_t bytes) {
  if (end == origin_.get()) return owner_->Count(written, bytes);
  owner_->Touch();
  return true;
}

// ---- requests

void Http2Relay::OnHead(Http2End* end, int32_t id, Http2End::Head head) {
  Stream* const stream = Find(end, id);
  if (end == &client_ && head.opens) {
    TakeRequest(id, std::move(head));
  } else if (stream == nullptr) {
    return;  // it was refused, and is not closed yet
  } else if (end == origin_.get() && !stream->answered) {
    TakeResponse(stream, std::move(head));
  } else {
    TakeTrailers(end, stream, std::move(head));
  }
}

void Http2Relay::TakeRequest(int32_t id, Http2End::Head head) {
  if (streams_.size() >= kStreamsKept) return client_.Reset(id, NGHTTP2_REFUSED_STREAM);
  const size_t bytes = BytesOf(head.fields);
  Http2Request request = ReadHttp2Request(std::move(head.fields));
  if (head.too_large) request.why = "its head is over 32 KiB";
  auto& place = streams_[id];
  place = std::make_unique<Stream>();
  Stream* const stream = place.get();
  stream->id = id;
  stream->up.ended = head.ends;
  stream->is_head = request.method == "HEAD";
  const std::optional<Http2Refusal> refusal = owner_->Judge(&request, &stream->judged);
  if (client_.stopped()) return;
  if (refusal.has_value()) return Answer(stream, *refusal);
  if (!HasRoom(stream->judged, bytes) || !SendRequest(stream, request)) {
    return client_.Reset(id, NGHTTP2_REFUSED_STREAM);  // nothing of it was sent: it may be repeated
  }
  if (request.waits_for_continue && !head.ends) {
    const Http2Fields go_on = ResponseHead({kContinue, {}});
    (void)nghttp2_submit_headers(client_.session(), NGHTTP2_FLAG_NONE, id, nullptr,
                                 Pairs(go_on).data(), go_on.size(), nullptr);
    stream->goes_on = true;
  }
}

// One that is refused for want of room is so where it may be sent anew, and before the origin
// would have to refuse it.
bool Http2Relay::HasRoom(const Http2Judged& judged, size_t head_bytes) const {
  const size_t kept = judged.method.size() + judged.normal_path.value_or("").size();
  const uint32_t most = nghttp2_session_get_remote_settings(
      origin_->session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  const size_t waiting = origin_->heads_waiting_bytes;
  return origin_takes_ && at_origin_.size() < most &&
         (waiting == 0 || waiting + head_bytes <= Http2End::kHeadsWaitingBytes) &&
         (judged_bytes_ == 0 || judged_bytes_ + kept <= kJudgedBytesMax);
}

bool Http2Relay::SendRequest(Stream* stream, const Http2Request& request) {
  const Http2Fields head = RequestHead(request, std::exchange(stream->judged.target, {}));
  nghttp2_data_provider body{{}, TakeBody};
  body.source.ptr = static_cast<Events*>(this);
  const int32_t id =
      nghttp2_submit_request(origin_->session(), nullptr, Pairs(head).data(), head.size(),
                             stream->up.ended ? nullptr : &body, nullptr);
  if (id < 0) return false;
  stream->origin_id = id;
  stream->at_origin = true;
  at_origin_[id] = stream;
  stream->judged_bytes =
      stream->judged.method.size() + stream->judged.normal_path.value_or("").size();
  judged_bytes_ += stream->judged_bytes;
  stream->up.head_bytes = BytesOf(head);
  origin_->heads_waiting_bytes += stream->up.head_bytes;
  return true;
}

// ---- answers

void Http2Relay::TakeResponse(Stream* stream, Http2End::Head head) {
  Http2Response response = ReadHttp2Response(std::move(head.fields));
  const bool interim = response.status >= kContinue && response.status < kFirstFinal;
  if (interim && response.status != kSwitches && ++stream->interim < kInterimMax) return;
  if (stream->refused || !stream->at_client) return;
  if (head.too_large || response.status < kFirstFinal) {
    return NoAnswer(stream, NGHTTP2_PROTOCOL_ERROR);
  }
  const auto& credential = stream->judged.credential;
  if (credential != nullptr) RemoveSecret(*credential, &response.fields);
  const Http2Fields on = ResponseHead(response);
  const size_t bytes = BytesOf(on);
  const size_t waiting = client_.heads_waiting_bytes;
  if (waiting != 0 && waiting + bytes > 2 * Http2End::kHeadsWaitingBytes) {
    return NoAnswer(stream, NGHTTP2_ENHANCE_YOUR_CALM);
  }
  stream->answered = true;
  stream->down.ended = head.ends;
  stream->down.head_bytes = bytes;
  client_.heads_waiting_bytes += bytes;
  nghttp2_data_provider body{{}, TakeBody};
  body.source.ptr = static_cast<Events*>(this);
  (void)nghttp2_submit_response(client_.session(), stream->id, Pairs(on).data(), on.size(),
                                head.ends ? nullptr : &body);
}

void Http2Relay::TakeTrailers(Http2End* from, Stream* stream, Http2End::Head head) {
  const bool upwards = from == &client_;
  Stream::Flow* const flow = upwards ? &stream->up : &stream->down;
  Http2End* const to = upwards ? origin_.get() : &client_;
  if (stream->refused || !(upwards ? stream->at_origin : stream->at_client)) {
    flow->ended = true;
    return;
  }
  Http2Fields trailers = Trailers(std::move(head.fields));
  if (const auto& credential = stream->judged.credential; credential != nullptr) {
    upwards ? RemoveNamed(*credential, &trailers) : RemoveSecret(*credential, &trailers);
  }
  const size_t bytes = BytesOf(trailers);
  if (head.too_large || bytes > Http2End::kTrailerBytesMax ||
      (to->heads_waiting_bytes != 0 &&
       to->heads_waiting_bytes + bytes > 2 * Http2End::kHeadsWaitingBytes)) {
    return from->Reset(upwards ? stream->id : stream->origin_id, NGHTTP2_ENHANCE_YOUR_CALM);
  }
  flow->trailers = std::move(trailers);
  flow->trailer_bytes = bytes;
  to->heads_waiting_bytes += bytes;
  OnBodyEnd(from, upwards ? stream->id : stream->origin_id);
}

// In the origin's place.
void Http2Relay::Answer(Stream* stream, const Http2Refusal& refusal) {
  stream->refused = true;
  Drop(&client_, stream);
  if (refusal.is_last) LeaveClient();
  if (!stream->at_client) return;
  if (stream->answered) return client_.Reset(stream->id, NGHTTP2_CANCEL);
  stream->answered = true;
  const std::string sentence = refusal.sentence + "\n";
  if (!stream->is_head) stream->down.body = absl::Cord(sentence);
  stream->down.ended = true;
  const Http2Fields head = Http2RefusalHead(refusal.status, refusal.reason, sentence.size());
  nghttp2_data_provider body{{}, TakeBody};
  body.source.ptr = static_cast<Events*>(this);
  (void)nghttp2_submit_response(client_.session(), stream->id, Pairs(head).data(), head.size(),
                                stream->is_head ? nullptr : &body);
}

// The origin's is none, or does not come.
void Http2Relay::NoAnswer(Stream* stream, uint32_t code) {
  const bool answered = stream->answered;
  LeaveAtOrigin(stream, code);
  if (answered) {
    stream->refused = true;
    if (stream->at_client) client_.Reset(stream->id, code);
  } else {
    Answer(stream, {kBadGateway, "NONE", "glovebox: the host did not answer this request"});
  }
}

uint32_t Http2Relay::JudgeAgain() {
  uint32_t cut = 0;
  for (const auto& [id, stream] : streams_) {
    if (stream->refused || stream->origin_id == 0) continue;
    const std::optional<Http2Refusal> refusal = owner_->JudgeAgain(stream->judged);
    if (!refusal.has_value()) continue;
    ++cut;
    LeaveAtOrigin(stream.get(), NGHTTP2_CANCEL);
    Drop(origin_.get(), stream.get());  // also of one that the origin has answered wholly
    Answer(stream.get(), *refusal);
  }
  OnTurn();
  return cut;
}

// ---- bodies

void Http2Relay::OnBody(Http2End* end, int32_t id, absl::string_view piece) {
  Stream* const stream = Find(end, id);
  const bool upwards = end == &client_;
  const bool wanted = stream != nullptr && !stream->refused &&
                      (upwards ? stream->at_origin : stream->at_client && stream->answered);
  if (!wanted) return DropPiece(end, id, stream, piece.size());
  (upwards ? stream->up : stream->down).body.Append(piece);
  Http2End* const to = upwards ? origin_.get() : &client_;
  (void)nghttp2_session_resume_data(to->session(), upwards ? stream->origin_id : stream->id);
}

void Http2Relay::OnBodyEnd(Http2End* end, int32_t id) {
  Stream* const stream = Find(end, id);
  if (stream == nullptr) return;
  const bool upwards = end == &client_;
  (upwards ? stream->up : stream->down).ended = true;
  Http2End* const to = upwards ? origin_.get() : &client_;
  if (to == nullptr) return;
  (void)nghttp2_session_resume_data(to->session(), upwards ? stream->origin_id : stream->id);
}

ssize_t Http2Relay::Take(Http2End* end, int32_t id, uint8_t* room, size_t size, uint32_t* flags) {
  Stream* const stream = Find(end, id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const bool upwards = end != &client_;
  Stream::Flow* const flow = upwards ? &stream->up : &stream->down;
  size_t taken = 0;
  while (taken < size && !flow->body.empty()) {
    const absl::string_view chunk = *flow->body.chunk_begin();
    const size_t piece = std::min(chunk.size(), size - taken);
    std::memcpy(room + taken, chunk.data(), piece);
    flow->body.RemovePrefix(piece);
    taken += piece;
  }
  if (upwards) {
    client_.Consume(stream->id, taken);
  } else if (!stream->refused) {
    origin_->Consume(stream->origin_id, taken);
  }
  if (flow->body.empty() && flow->ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!flow->trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const Http2Fields trailers = std::exchange(flow->trailers, {});
      (void)nghttp2_submit_trailer(end->session(), id, Pairs(trailers).data(), trailers.size());
    }
    return static_cast<ssize_t>(taken);
  }
  if (taken == 0) return NGHTTP2_ERR_DEFERRED;
  return static_cast<ssize_t>(taken);
}

// Nobody wants what was read of `from`.
void Http2Relay::Drop(Http2End* from, Stream* stream) {
  const bool upwards = from == &client_;
  Stream::Flow* const flow = upwards ? &stream->up : &stream->down;
  if (!flow->body.empty()) {
    from->Consume(upwards ? stream->id : stream->origin_id, flow->body.size());
    flow->body.Clear();
  }
  flow->trailers.clear();
  Http2End* const to = upwards ? origin_.get() : &client_;
  if (to != nullptr) {
    to->heads_waiting_bytes -= std::exchange(flow->head_bytes, 0);
    to->heads_waiting_bytes -= std::exchange(flow->trailer_bytes, 0);
  }
}

void Http2Relay::OnHeadSent(Http2End* end, int32_t id) {
  Stream* const stream = Find(end, id);
  if (stream == nullptr) return;
  if (end == &client_ && std::exchange(stream->goes_on, false)) return;  // it was counted nowhere
  Stream::Flow* const flow = end == &client_ ? &stream->down : &stream->up;
  size_t* const sent = flow->head_bytes != 0 ? &flow->head_bytes : &flow->trailer_bytes;
  end->heads_waiting_bytes -= std::exchange(*sent, 0);
}

// Of a request that is still on its way nobody wants the rest. A little of one that is refused here
// is let come: curl 7 does not read an answer behind which it finds a reset.
void Http2Relay::OnEndSent(Http2End* end, int32_t id) {
  Stream* const stream = Find(end, id);
  if (end == &client_ && stream != nullptr && !stream->up.ended && !stream->refused) {
    client_.Reset(id, NGHTTP2_NO_ERROR);
  }
}

void Http2Relay::DropPiece(Http2End* end, int32_t id, Stream* stream, size_t size) {
  end->Consume(id, size);
  if (end != &client_ || stream == nullptr || !stream->refused) return;
  stream->dropped += size;
  if (stream->dropped > kRefusedBodyMax) client_.Reset(id, NGHTTP2_NO_ERROR);
}

// ---- ends

void Http2Relay::LeaveAtOrigin(Stream* stream, uint32_t code) {
  if (!stream->at_origin) return;
  origin_->Reset(stream->origin_id, code);
  Drop(origin_.get(), stream);
}

void Http2Relay::OnClosed(Http2End* end, int32_t id, uint32_t code) {
  Stream* const stream = Find(end, id);
  if (stream == nullptr) return;
  if (end == &client_) {
    stream->at_client = false;
    if (!stream->refused) Drop(origin_.get(), stream);
    const bool whole = code == NGHTTP2_NO_ERROR && stream->up.ended && stream->down.ended;
    if (stream->at_origin && !whole) {
      if (code == NGHTTP2_NO_ERROR) code = NGHTTP2_CANCEL;
      LeaveAtOrigin(stream, code);
    }
  } else {
    stream->at_origin = false;
    at_origin_.erase(id);
    Drop(&client_, stream);
    if (stream->at_client && !stream->refused && !stream->down.ended) {
      client_.Reset(stream->id, code);
    }
  }
  ForgetIfOver(stream);
  OnTurn();
}

void Http2Relay::ForgetIfOver(Stream* stream) {
  if (stream->at_client || stream->at_origin) return;
  judged_bytes_ -= stream->judged_bytes;
  streams_.erase(stream->id);
  if (leaves_ && streams_.empty()) client_.SayGoaway();
}

// When its streams are over: there are clients for whom GOAWAY ends those as well.
void Http2Relay::LeaveClient() {
  origin_takes_ = false;
  leaves_ = true;
  if (streams_.empty()) client_.SayGoaway();
}

void Http2Relay::OnSettings(Http2End* end) {
  if (end == &client_) return;
  client_.AllowStreams(std::min(Http2End::kStreamsMax,
                                nghttp2_session_get_remote_settings(
                                    end->session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)));
}

void Http2Relay::OnGoaway(Http2End* end) {
  if (end == &client_) return;
  origin_takes_ = false;
  client_.SayGoaway();
}

void Http2Relay::OnGone(Http2End* end, bool all_said) {
  if (end == origin_.get()) return LoseOrigin();
  ended_well_ = all_said;
  Stop();
  owner_->LeaveBoth();
}

void Http2Relay::LoseOrigin() {
  origin_takes_ = false;
  origin_->Stop();
  owner_->LeaveOrigin();
  for (const auto& [id, stream] : std::exchange(at_origin_, {})) {
    stream->at_origin = false;
    Drop(&client_, stream);
    if (!stream->down.ended && !stream->refused) NoAnswer(stream, NGHTTP2_INTERNAL_ERROR);
    ForgetIfOver(stream);
  }
  LeaveClient();
  client_.Wake();
}

}  // namespace glovebox

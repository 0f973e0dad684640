// A server-streaming RPC that sends an exec's frames.
#ifndef GLOVEBOX_SERVICE_FRAME_STREAM_H_
#define GLOVEBOX_SERVICE_FRAME_STREAM_H_

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "grpcpp/support/server_callback.h"
#include "service/call_report.h"
#include "service/convert_exec.h"
#include "service/frame_pump.h"
#include "service/request_error.h"
#include "service/service_deps.h"

namespace glovebox {

// Response: a message with a field `frame`. Deletes itself in OnDone.
template <typename Response>
class FrameStream final : public grpc::ServerWriteReactor<Response>, public FrameSink {
 public:
  struct Opened {
    std::shared_ptr<Exec> exec;
    std::unique_ptr<OutputReader> reader;
    bool follow = true;
    std::optional<Response> first;  // sent before the frames
  };
  using Open = std::function<absl::StatusOr<Opened>(CallReport&)>;

  // `opener` may block; it runs on the queue for calls.
  static FrameStream* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                          CallName name, Open opener, WorkQueue* queue = nullptr) {
    const std::string sandbox_id = name.sandbox_id;
    auto* stream = new FrameStream(deps, context, std::move(name));
    std::shared_ptr<FramePump> pump = stream->pump_;
    if (const absl::Status& admitted = stream->report_.admitted(); !admitted.ok()) {
      pump->Fail(admitted);
      return stream;
    }
    if (queue == nullptr) queue = deps.calls;
    const bool taken = queue->TryRun(
        [stream, pump, opener = std::move(opener)] {
          // Nothing is begun for a client that has gone already.
          if (pump->cancelled()) return pump->Fail(CallCancelled());
          stream->Begin(pump, opener(stream->report_));
        },
        sandbox_id);
    if (!taken) pump->Fail(TooManyCalls());
    return stream;
  }

 private:
  FrameStream(const ServiceDeps& deps, const grpc::CallbackServerContext& context, CallName name)
      : report_(deps, context, std::move(name), CallKind::kStream),
        clock_(deps.clock),
        pump_(std::make_shared<FramePump>(this)) {}

  // Nothing ends the call before `pump` was told of its beginning, so `this` is there until then.
  void Begin(const std::shared_ptr<FramePump>& pump, absl::StatusOr<Opened> opened) {
    report_.Decided(opened.status());
    if (!opened.ok()) return pump->Fail(opened.status());
    exec_ = opened->exec;
    if (opened->first.has_value()) {
      response_ = *std::move(opened->first);
      pump->MarkWriting();
      this->StartWrite(&response_);
    }
    pump->Start(std::move(opened->reader), opened->follow);
  }

  void SetFrame(OutputFrame frame) {
    *response_.mutable_frame() = ToProto(std::move(frame), *exec_, *clock_);
  }

  // FrameSink
  void Write(OutputFrame frame) override {
    SetFrame(std::move(frame));
    this->StartWrite(&response_);
  }
  void WriteLast(OutputFrame frame) override {
    SetFrame(std::move(frame));
    this->StartWriteAndFinish(&response_, grpc::WriteOptions(), report_.End(absl::OkStatus()));
  }
  void Finish(const absl::Status& status) override {
    grpc::ServerWriteReactor<Response>::Finish(report_.End(status));
  }

  // ServerWriteReactor. The pump outlives the calls below, which may be the last use of `this`.
  void OnWriteDone(bool ok) override { std::shared_ptr<FramePump>(pump_)->OnWritten(ok); }
  void OnCancel() override { std::shared_ptr<FramePump>(pump_)->OnCancel(); }
  void OnDone() override { delete this; }

  CallReport report_;
  const Clock* const clock_;
  std::shared_ptr<Exec> exec_;
  Response response_;  // gRPC may look at it until the write is done
  const std::shared_ptr<FramePump> pump_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_FRAME_STREAM_H_

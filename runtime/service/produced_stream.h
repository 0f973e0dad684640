// A server-streaming RPC whose messages come from blocking code on the queue for transfers: patches
// and imports. Memory is one message: the producer waits until the one before was sent.
#ifndef GLOVEBOX_SERVICE_PRODUCED_STREAM_H_
#define GLOVEBOX_SERVICE_PRODUCED_STREAM_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "service/call_report.h"
#include "service/request_error.h"
#include "service/service_deps.h"

namespace glovebox {

// Deletes itself in OnDone.
template <typename Response>
class ProducedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  // What it returns ends the call.
  using Produce = std::function<absl::Status(ProducedStream&)>;
  // A client that takes nothing for so long gives its thread back to the others.
  static constexpr absl::Duration kStallLimit = absl::Seconds(60);

  static ProducedStream* Run(const ServiceDeps& deps, CallName name,
                             grpc::CallbackServerContext* context, Produce produce) {
    const std::string sandbox_id = name.sandbox_id;
    auto* stream = new ProducedStream(deps, std::move(name), context);
    if (const absl::Status& admitted = stream->report_.admitted(); !admitted.ok()) {
      stream->Finish(stream->report_.End(admitted));
      return stream;
    }
    const bool taken = deps.transfers->TryRun(
        [stream, produce = std::move(produce)] {
          absl::Status status = stream->cancelled() ? CallCancelled() : produce(*stream);
          const absl::Status settled = stream->Settle();
          if (status.ok()) status = settled;
          stream->Finish(stream->report_.End(status));
        },
        sandbox_id);
    if (!taken) stream->Finish(stream->report_.End(TooManyCalls()));
    return stream;
  }

  // --- for the producer, on its thread ---

  const Caller& caller() const { return report_.caller(); }

  // Waits until the message before has been sent, then sends this one. CANCELLED when the client
  // has gone: stop then.
  absl::Status Write(Response response) {
    if (absl::Status settled = Settle(); !settled.ok()) return settled;
    Send(std::move(response));
    return absl::OkStatus();
  }

  // Drops the message when the one before has not been sent yet.
  void WriteIfIdle(Response response) {
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || cancelled_) return;
    }
    Send(std::move(response));
  }

  bool cancelled() const {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }

 private:
  ProducedStream(const ServiceDeps& deps, CallName name, grpc::CallbackServerContext* context)
      : report_(deps, *context, std::move(name), CallKind::kTransfer), context_(context) {}

  void Send(Response response) {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = true;
    }
    response_ = std::move(response);
    this->StartWrite(&response_);
  }

  // Waits for the write in flight. Only when it has been answered may the call be finished, so a
  // client that does not read is cancelled, which answers it.
  absl::Status Settle() {
    absl::MutexLock lock(&mutex_);
    const auto done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !writing_; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&done), kStallLimit)) {
      mutex_.Unlock();
      context_->TryCancel();
      mutex_.Lock();
      mutex_.Await(absl::Condition(&done));
    }
    return cancelled_ ? CallCancelled() : absl::OkStatus();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    cancelled_ = cancelled_ || !ok;
  }
  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  void OnDone() override { delete this; }

  CallReport report_;
  grpc::CallbackServerContext* const context_;
  Response response_;  // gRPC may look at it until the write is done
  mutable absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_PRODUCED_STREAM_H_

// WatchChanges.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "sandbox/tree_watch.h"
#include "service/change_service.h"
#include "service/change_watch.h"
#include "service/find_sandbox.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

// Deletes itself in OnDone.
class WatchStream final : public grpc::ServerWriteReactor<v1::WatchChangesResponse>,
                          public ChangeSink {
 public:
  static WatchStream* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                          const v1::WatchChangesRequest& request) {
    auto* stream = new WatchStream(deps, context, request.sandbox_id());
    std::shared_ptr<ChangeWatch> watch = stream->watch_;
    if (const absl::Status& admitted = stream->report_.admitted(); !admitted.ok()) {
      watch->Start(admitted);
      return stream;
    }
    // Nothing ends the call before Start, so `request` and the caller are there until then.
    const bool taken = deps.calls->TryRun([&deps, &request, stream, watch] {
      absl::StatusOr<ChangeWatch::Opened> opened =
          watch->cancelled() ? CallCancelled() : Open(deps, stream->report_.caller(), request);
      stream->report_.Decided(opened.status());
      watch->Start(std::move(opened));
    });
    if (!taken) watch->Start(TooManyCalls());
    return stream;
  }

 private:
  WatchStream(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
              std::string sandbox_id)
      : report_(deps, context, {"ChangeService/WatchChanges", std::move(sandbox_id)},
                CallKind::kStream),
        watch_(std::make_shared<ChangeWatch>(this, deps.watches->queue())) {}

  static absl::StatusOr<ChangeWatch::Opened> Open(const ServiceDeps& deps, const Caller& caller,
                                                  const v1::WatchChangesRequest& request) {
    ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps, caller, request.sandbox_id()));
    ASSIGN_OR_RETURN(ChangeScope scope, ScopeFromProto(request.path(), sandbox->workdir()));
    ASSIGN_OR_RETURN(const ChangeSource source, ChangeSource::Open(sandbox, scope));
    std::optional<std::string> cursor;
    if (request.has_cursor()) cursor = request.cursor();
    ASSIGN_OR_RETURN(std::optional<JournalPoint> from, source.Point(cursor));
    ASSIGN_OR_RETURN(
        ChangeSelection selection,
        ChangeSelection::Make(scope, {request.ignore().begin(), request.ignore().end()},
                              request.respect_gitignore()));
    const auto find = [&deps, caller, id = sandbox->id()] { return FindSandbox(deps, caller, id); };
    ASSIGN_OR_RETURN(auto place, deps.watches->Take(sandbox->id(), scope.root, find));
    return ChangeWatch::Opened{std::move(place), std::move(selection), from};
  }

  // ChangeSink
  void Write(v1::WatchChangesResponse message) override {
    response_ = std::move(message);
    this->StartWrite(&response_);
  }
  void Finish(const absl::Status& status) override {
    grpc::ServerWriteReactor<v1::WatchChangesResponse>::Finish(report_.End(status));
  }

  // ServerWriteReactor. The watch outlives the calls below, which may be the last use of `this`.
  void OnWriteDone(bool ok) override { std::shared_ptr<ChangeWatch>(watch_)->OnWritten(ok); }
  void OnCancel() override { std::shared_ptr<ChangeWatch>(watch_)->OnCancel(); }
  void OnDone() override { delete this; }

  CallReport report_;
  v1::WatchChangesResponse response_;  // gRPC may look at it until the write is done
  const std::shared_ptr<ChangeWatch> watch_;
};

}  // namespace

grpc::ServerWriteReactor<v1::WatchChangesResponse>* ChangeService::WatchChanges(
    grpc::CallbackServerContext* context, const v1::WatchChangesRequest* request) {
  return WatchStream::Run(deps_, *context, *request);
}

}  // namespace glovebox

// SnapshotService.UploadBlob: a client-streaming RPC whose messages are written as they come.
#ifndef GLOVEBOX_SERVICE_UPLOAD_CALL_H_
#define GLOVEBOX_SERVICE_UPLOAD_CALL_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "glovebox/v1/snapshot.pb.h"
#include "grpcpp/support/server_callback.h"
#include "service/call_report.h"
#include "service/service_deps.h"
#include "snapshot/blob_store.h"

namespace glovebox {

// Deletes itself in OnDone. Memory is one message: the next one is read when the one before is
// kept. A client that sends nothing holds no thread, only one of its transfers.
class UploadCall final : public grpc::ServerReadReactor<v1::UploadBlobRequest> {
 public:
  static UploadCall* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                         v1::UploadBlobResponse* response);

 private:
  UploadCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
             v1::UploadBlobResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override { cancelled_.store(true, std::memory_order_release); }
  void OnDone() override { delete this; }

  // Each on a thread of its queue, one at a time.
  void TakeMessage();
  void Compare();
  absl::Status Begin();
  absl::Status Write();
  void End(const absl::Status& status);

  const ServiceDeps& deps_;
  CallReport report_;
  v1::UploadBlobResponse* const response_;
  v1::UploadBlobRequest message_;
  std::unique_ptr<BlobUpload> upload_;  // from the first message on
  std::atomic<bool> cancelled_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_UPLOAD_CALL_H_

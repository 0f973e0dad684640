// FileService.WriteFile: a client-streaming RPC whose messages go into the sandbox as they come.
#ifndef GLOVEBOX_SERVICE_WRITE_FILE_CALL_H_
#define GLOVEBOX_SERVICE_WRITE_FILE_CALL_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "glovebox/v1/file.pb.h"
#include "grpcpp/support/server_callback.h"
#include "service/call_report.h"
#include "service/files_run.h"
#include "service/service_deps.h"

namespace glovebox {

// Deletes itself in OnDone. Memory is one message: the next one is read when the program has taken
// the one before. A client that sends nothing holds no thread; the program's own limit ends it.
//
// A read that fails is a client that has sent everything, or one that went away, of which OnCancel
// may tell only later. So the headers are sent before anything is written for good: that fails on a
// stream that was reset.
class WriteFileCall final : public grpc::ServerReadReactor<v1::WriteFileRequest> {
 public:
  static WriteFileCall* Run(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                            v1::WriteFileResponse* response);

 private:
  WriteFileCall(const ServiceDeps& deps, const grpc::CallbackServerContext& context,
                v1::WriteFileResponse* response);

  void OnReadDone(bool ok) override;
  void OnSendInitialMetadataDone(bool ok) override;
  void OnCancel() override { cancelled_.store(true, std::memory_order_release); }
  void OnDone() override { delete this; }

  // Each on a thread of the queue, one at a time.
  void TakeMessage();
  void Complete();
  void LetGo();
  absl::Status Begin();
  absl::Status Write();
  absl::Status Commit();
  void End(const absl::Status& status);

  const ServiceDeps& deps_;
  CallReport report_;
  v1::WriteFileResponse* const response_;
  v1::WriteFileRequest message_;
  std::string share_;              // of the queue; from the first message on
  std::unique_ptr<FilesRun> run_;  // from the first message on
  std::atomic<bool> cancelled_ = false;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_WRITE_FILE_CALL_H_

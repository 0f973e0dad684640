// FileService: files of a sandbox from outside (proto/glovebox/v1/file.proto). RPCs that are not
// overridden are not served by this release.
//
// Nothing of a sandbox's files is touched by the daemon: each call has the program for files do it
// inside (service/files_run.h).
#ifndef GLOVEBOX_SERVICE_FILE_SERVICE_H_
#define GLOVEBOX_SERVICE_FILE_SERVICE_H_

#include "glovebox/v1/file.grpc.pb.h"
#include "service/produced_stream.h"
#include "service/service_deps.h"
#include "service/unary_call.h"

namespace glovebox {

// Thread-safe.
class FileService final : public v1::FileService::CallbackService {
 public:
  explicit FileService(const ServiceDeps* deps) : deps_(*deps) {}

  grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(
      grpc::CallbackServerContext* context, const v1::ReadFileRequest* request) override;
  grpc::ServerReadReactor<v1::WriteFileRequest>* WriteFile(
      grpc::CallbackServerContext* context, v1::WriteFileResponse* response) override;
  grpc::ServerUnaryReactor* EditFile(grpc::CallbackServerContext* context,
                                     const v1::EditFileRequest* request,
                                     v1::EditFileResponse* response) override;
  grpc::ServerUnaryReactor* StatFile(grpc::CallbackServerContext* context,
                                     const v1::StatFileRequest* request,
                                     v1::StatFileResponse* response) override;
  grpc::ServerUnaryReactor* ListDirectory(grpc::CallbackServerContext* context,
                                          const v1::ListDirectoryRequest* request,
                                          v1::ListDirectoryResponse* response) override;
  grpc::ServerUnaryReactor* MakeDirectory(grpc::CallbackServerContext* context,
                                          const v1::MakeDirectoryRequest* request,
                                          v1::MakeDirectoryResponse* response) override;
  grpc::ServerUnaryReactor* Move(grpc::CallbackServerContext* context,
                                 const v1::MoveRequest* request,
                                 v1::MoveResponse* response) override;
  grpc::ServerUnaryReactor* Remove(grpc::CallbackServerContext* context,
                                   const v1::RemoveRequest* request,
                                   v1::RemoveResponse* response) override;

 private:
  using ReadStream = ProducedStream<v1::ReadFileResponse>;

  absl::Status Read(const v1::ReadFileRequest& request, ReadStream& stream) const;
  absl::Status Edit(const UnaryCall& call, const v1::EditFileRequest& request,
                    v1::EditFileResponse* response) const;
  absl::Status List(const UnaryCall& call, const v1::ListDirectoryRequest& request,
                    v1::ListDirectoryResponse* response) const;

  const ServiceDeps& deps_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_FILE_SERVICE_H_

#include "tools/glovebox/file_calls.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include "tools/glovebox/stubs.h"

namespace glovebox {

absl::Status CallApplyPatch(Connection& connection, const v1::ApplyPatchRequest& request,
                            v1::ApplyPatchResponse* response) {
  grpc::ClientContext context;
  return Explain(connection, connection.stubs().changes->ApplyPatch(&context, request, response));
}

absl::Status CallEditFile(Connection& connection, const v1::EditFileRequest& request,
                          v1::EditFileResponse* response) {
  grpc::ClientContext context;
  return Explain(connection, connection.stubs().files->EditFile(&context, request, response));
}

absl::Status CallReadFile(Connection& connection, const v1::ReadFileRequest& request,
                          const std::function<absl::Status(v1::ReadFileResponse&)>& each) {
  grpc::ClientContext context;
  const auto reader = connection.stubs().files->ReadFile(&context, request);
  absl::Status status;
  v1::ReadFileResponse response;
  while (status.ok() && reader->Read(&response)) status = each(response);
  if (!status.ok()) context.TryCancel();
  const grpc::Status end = reader->Finish();
  return status.ok() ? Explain(connection, end) : status;
}

absl::Status CallWriteFile(Connection& connection,
                           const std::function<absl::StatusOr<bool>(v1::WriteFileRequest*)>& next,
                           v1::WriteFileResponse* response) {
  grpc::ClientContext context;
  const auto writer = connection.stubs().files->WriteFile(&context, response);
  absl::StatusOr<bool> more = true;
  for (bool written = true; written;) {
    v1::WriteFileRequest message;
    more = next(&message);
    if (!more.ok()) context.TryCancel();
    if (!more.ok() || !*more) break;
    written = writer->Write(message);  // else the answer is there
  }
  (void)writer->WritesDone();  // the end says what matters
  const grpc::Status end = writer->Finish();
  return more.ok() ? Explain(connection, end) : more.status();
}

}  // namespace glovebox

#include "service/file_service.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/wire_field.h"
#include "service/file_request.h"
#include "service/request_error.h"
#include "service/write_file_call.h"

namespace glovebox {
namespace {

constexpr int kEditsMax = 1000;
constexpr size_t kEditsBytesMax = size_t{3} << 20;  // gRPC's limit is 4 MiB a message

template <typename Optional>
std::optional<uint32_t> ModeOf(const Optional& message) {
  if (!message.has_mode()) return std::nullopt;
  return message.mode();
}

}  // namespace

absl::Status FileService::Read(const v1::ReadFileRequest& request, ReadStream& stream) const {
  RETURN_IF_ERROR(CheckFilePath(request.path()));
  ASSIGN_OR_RETURN(auto sandbox, FindSandbox(deps_, stream.caller(), request.sandbox_id()));
  ASSIGN_OR_RETURN(const std::unique_ptr<FilesRun> run,
                   FilesRun::Start(std::move(sandbox), kFilesRead, request.path(),
                                   [&stream] { return stream.cancelled(); }));
  RETURN_IF_ERROR(run->Send(FilesFrameKind::kRequest, request.SerializeAsString()));
  Sha256 digest;
  for (;;) {
    ASSIGN_OR_RETURN(FilesFrame frame, run->Receive());
    v1::ReadFileResponse response;
    if (frame.kind == FilesFrameKind::kContent) {
      if (frame.body.size() > kFilesContentBytesMax) return UnreadableAnswer();
      digest.Update(frame.body);
      response.set_chunk(std::move(frame.body));
      RETURN_IF_ERROR(stream.Write(std::move(response)));
      continue;
    }
    if (!response.ParseFromString(frame.body) || !response.has_summary()) return UnreadableAnswer();
    response.mutable_summary()->set_digest(absl::StrCat("sha256:", digest.FinishHex()));
    return stream.Write(std::move(response));
  }
}

grpc::ServerWriteReactor<v1::ReadFileResponse>* FileService::ReadFile(
    grpc::CallbackServerContext* context, const v1::ReadFileRequest* request) {
  return ReadStream::Run(deps_, {"FileService/ReadFile", request->sandbox_id()}, context,
                         [this, request](ReadStream& stream) { return Read(*request, stream); });
}

grpc::ServerReadReactor<v1::WriteFileRequest>* FileService::WriteFile(
    grpc::CallbackServerContext* context, v1::WriteFileResponse* response) {
  return WriteFileCall::Run(deps_, *context, response);
}

absl::Status FileService::Edit(const UnaryCall& call, const v1::EditFileRequest& request,
                               v1::EditFileResponse* response) const {
  RETURN_IF_ERROR(CheckFilePath(request.path()));
  if (request.edits_size() == 0 || request.edits_size() > kEditsMax) {
    return FieldError("edits", absl::StrCat("has 1 to ", kEditsMax, " entries"));
  }
  for (const v1::TextEdit& edit : request.edits()) {
    if (edit.find().empty()) return FieldError("edits.find", "must not be empty");
    if (edit.has_count() && edit.count() == 0) return FieldError("edits.count", "is at least 1");
  }
  if (request.has_expected_digest()) {
    RETURN_IF_ERROR(CheckExpectedDigest(request.expected_digest()));
  }
  const std::string message = request.SerializeAsString();
  if (message.size() > kEditsBytesMax) {
    return FieldError("edits", absl::StrCat("have at most ", kEditsBytesMax, " bytes together"));
  }
  return AskFilesProgram(deps_, call, request.sandbox_id(), kFilesEdit, request.path(), message,
                         response);
}

grpc::ServerUnaryReactor* FileService::EditFile(grpc::CallbackServerContext* context,
                                                const v1::EditFileRequest* request,
                                                v1::EditFileResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"FileService/EditFile", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) { return Edit(call, *request, response); });
}

grpc::ServerUnaryReactor* FileService::StatFile(grpc::CallbackServerContext* context,
                                                const v1::StatFileRequest* request,
                                                v1::StatFileResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"FileService/StatFile", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        RETURN_IF_ERROR(CheckFilePath(request->path()));
        return AskFilesProgram(deps_, call, request->sandbox_id(), kFilesStat, request->path(),
                               request->SerializeAsString(), response);
      });
}

absl::Status FileService::List(const UnaryCall& call, const v1::ListDirectoryRequest& request,
                               v1::ListDirectoryResponse* response) const {
  RETURN_IF_ERROR(CheckFilePath(request.path()));
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query =
      absl::StrCat("ListDirectory\n", WithoutPage(request).SerializeAsString());
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  // Not as the request has it: a name need not be text.
  WireWriter message;
  message.Bytes(2, request.path());
  message.Number(3, static_cast<uint64_t>(size));
  message.Bytes(4, after);
  RETURN_IF_ERROR(AskFilesProgram(deps_, call, request.sandbox_id(), kFilesList, request.path(),
                                  message.message(), response));
  const bool more = !response->next_page_token().empty() && response->entries_size() > 0;
  response->clear_next_page_token();
  if (more) {
    response->set_next_page_token(
        deps_.page_tokens->Make(query, response->entries().rbegin()->path()));
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FileService::ListDirectory(grpc::CallbackServerContext* context,
                                                     const v1::ListDirectoryRequest* request,
                                                     v1::ListDirectoryResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"FileService/ListDirectory", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) { return List(call, *request, response); });
}

grpc::ServerUnaryReactor* FileService::MakeDirectory(grpc::CallbackServerContext* context,
                                                     const v1::MakeDirectoryRequest* request,
                                                     v1::MakeDirectoryResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"FileService/MakeDirectory", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        RETURN_IF_ERROR(CheckFilePath(request->path()));
        RETURN_IF_ERROR(CheckFileMode(ModeOf(*request)));
        return AskFilesProgram(deps_, call, request->sandbox_id(), kFilesMakeDirectory,
                               request->path(), request->SerializeAsString(), response);
      });
}

grpc::ServerUnaryReactor* FileService::Move(grpc::CallbackServerContext* context,
                                            const v1::MoveRequest* request,
                                            v1::MoveResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"FileService/Move", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        RETURN_IF_ERROR(CheckFilePath(request->source_path(), "source_path"));
        RETURN_IF_ERROR(CheckFilePath(request->target_path(), "target_path"));
        // Both lead from the workdir when one does.
        const bool absolute = absl::StartsWith(request->source_path(), "/");
        return AskFilesProgram(deps_, call, request->sandbox_id(), kFilesMove,
                               absolute ? request->target_path() : request->source_path(),
                               request->SerializeAsString(), response);
      });
}

grpc::ServerUnaryReactor* FileService::Remove(grpc::CallbackServerContext* context,
                                              const v1::RemoveRequest* request,
                                              v1::RemoveResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"FileService/Remove", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        RETURN_IF_ERROR(CheckFilePath(request->path()));
        return AskFilesProgram(deps_, call, request->sandbox_id(), kFilesRemove, request->path(),
                               request->SerializeAsString(), response);
      });
}

}  // namespace glovebox

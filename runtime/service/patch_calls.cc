// ChangeService's calls for edits that go in.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/change_service.h"
#include "service/file_request.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

constexpr size_t kPatchBytesMax = size_t{3} << 20;  // as patch/patch.h
constexpr uint32_t kFuzzLinesMax = 3;

absl::Status Check(const v1::ApplyPatchRequest& request) {
  if (request.patch().size() > kPatchBytesMax) {
    return DetailedError(absl::StatusCode::kResourceExhausted,
                         absl::StrCat("the patch has ", request.patch().size(),
                                      " bytes; the limit is ", kPatchBytesMax, ": split it"),
                         {"PATCH_LIMIT", {{"limit", absl::StrCat(kPatchBytesMax)}}});
  }
  if (request.fuzz_lines_max() > kFuzzLinesMax) {
    return FieldError("fuzz_lines_max", absl::StrCat("is at most ", kFuzzLinesMax));
  }
  if (!v1::PatchFormat_IsValid(request.format())) return FieldError("format", "is not known");
  if (request.directory().empty()) return absl::OkStatus();
  return CheckFilePath(request.directory(), "directory");
}

}  // namespace

grpc::ServerUnaryReactor* ChangeService::ApplyPatch(grpc::CallbackServerContext* context,
                                                    const v1::ApplyPatchRequest* request,
                                                    v1::ApplyPatchResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"ChangeService/ApplyPatch", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        RETURN_IF_ERROR(Check(*request));
        return AskFilesProgram(deps_, call, request->sandbox_id(), kFilesApply,
                               request->directory(), request->SerializeAsString(), response);
      });
}

}  // namespace glovebox

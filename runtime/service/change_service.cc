#include "service/change_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "changes/patch_writer.h"
#include "service/convert_change.h"
#include "service/find_sandbox.h"
#include "service/patch_chunks.h"
#include "service/request_error.h"
#include "service/scan_sandbox.h"
#include "service/unary_call.h"

namespace glovebox {

absl::Status ChangeService::Diff(const v1::DiffSandboxRequest& request, DiffStream& stream) const {
  ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps_, stream.caller(), request.sandbox_id()));
  ASSIGN_OR_RETURN(const SandboxInfo info,
                   deps_.sandboxes->Get(stream.caller(), request.sandbox_id()));
  if (info.snapshot.empty()) return NoBase();
  ASSIGN_OR_RETURN(const ChangeScope scope, ScopeFromProto(request.path(), sandbox->workdir()));
  ASSIGN_OR_RETURN(const ScannedSandbox scanned,
                   ScanSandbox(*sandbox, scope, request.find_renames(), *deps_.clock));
  PatchLimits limits;
  if (request.has_context_lines()) limits.context_lines = request.context_lines();
  limits.file_bytes_max =
      request.has_file_bytes_max() ? request.file_bytes_max() : kDiffFileBytesMax;
  limits.text_bytes_max = std::min(limits.text_bytes_max, limits.file_bytes_max);
  PatchChunks chunks([&](std::string chunk) {
    v1::DiffSandboxResponse response;
    response.set_chunk(std::move(chunk));
    return stream.Write(std::move(response));
  });
  ASSIGN_OR_RETURN(const PatchSummary summary,
                   WriteSandboxPatch(scanned, info.commit, limits, *deps_.clock,
                                     [&](absl::string_view piece) { return chunks.Add(piece); }));
  ASSIGN_OR_RETURN(const std::string digest, chunks.Finish());
  v1::DiffSandboxResponse last;
  *last.mutable_summary() = ToProto(summary);
  last.mutable_summary()->set_digest(digest);
  return stream.Write(std::move(last));
}

grpc::ServerWriteReactor<v1::DiffSandboxResponse>* ChangeService::DiffSandbox(
    grpc::CallbackServerContext* context, const v1::DiffSandboxRequest* request) {
  return DiffStream::Run(deps_, {"ChangeService/DiffSandbox", request->sandbox_id()}, context,
                         [this, request](DiffStream& stream) { return Diff(*request, stream); });
}

}  // namespace glovebox

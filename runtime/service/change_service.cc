#include "service/change_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "changes/patch_writer.h"
#include "changes/upper_scan.h"
#include "service/convert_change.h"
#include "service/find_sandbox.h"
#include "service/patch_chunks.h"
#include "service/request_error.h"
#include "service/unary_call.h"

namespace glovebox {
namespace {

constexpr uint64_t kDiffFileBytesMax = uint64_t{64} << 20;
constexpr uint32_t kContextLines = 3;

// Directories and changes of one request; the descriptors are open for as long as it lives.
struct Scanned {
  SandboxFiles files;
  Layers layers;
  std::vector<Change> changes;
};

absl::StatusOr<Scanned> Scan(const Sandbox& sandbox, const ChangeScope& scope, const Clock& clock) {
  Scanned scanned;
  ASSIGN_OR_RETURN(scanned.files, sandbox.OpenFiles());
  scanned.layers = scanned.files.View(scope.root);
  ASSIGN_OR_RETURN(ScanResult result, ScanUpper(scanned.layers, ScanOptions{}, clock));
  scanned.changes = std::move(result.changes);
  std::erase_if(scanned.changes, [&](const Change& c) { return !scope.Contains(c.path); });
  return scanned;
}

// In the order of the list: kDeleted before anything else of the same path.
std::string KeyOf(const Change& change) {
  std::string key = change.path;
  key.push_back('\0');
  key.push_back(change.letter == ChangeLetter::kDeleted ? '0' : '1');
  return key;
}

}  // namespace

absl::Status ChangeService::List(const Caller& caller, const v1::ListChangesRequest& request,
                                 v1::ListChangesResponse* response) const {
  if (request.has_cursor()) return FieldNotServed("cursor");
  if (request.ignore_size() > 0) return FieldNotServed("ignore");
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query = absl::StrCat("ListChanges\n", WithoutPage(request).SerializeAsString());
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps_, caller, request.sandbox_id()));
  ASSIGN_OR_RETURN(const ChangeScope scope, ScopeFromProto(request.path(), sandbox->workdir()));
  ASSIGN_OR_RETURN(const Scanned scanned, Scan(*sandbox, scope, *deps_.clock));
  const std::string last =
      TakePage<Change>(scanned.changes, after, size, KeyOf, [&](const Change& change) {
        *response->add_changes() = ToProto(change);
        return response->changes().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  response->set_fresh_instance(true);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ChangeService::ListChanges(grpc::CallbackServerContext* context,
                                                     const v1::ListChangesRequest* request,
                                                     v1::ListChangesResponse* response) {
  return UnaryCall::Run(deps_, *context, {"ChangeService/ListChanges", request->sandbox_id()},
                        deps_.transfers, [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

absl::Status ChangeService::Diff(const v1::DiffSandboxRequest& request, DiffStream& stream) const {
  if (request.has_context_lines() && request.context_lines() != kContextLines) {
    return FieldNotServed("context_lines");
  }
  ASSIGN_OR_RETURN(const auto sandbox, FindSandbox(deps_, stream.caller(), request.sandbox_id()));
  ASSIGN_OR_RETURN(const SandboxInfo info,
                   deps_.sandboxes->Get(stream.caller(), request.sandbox_id()));
  if (info.snapshot.empty()) {
    return DetailedError(absl::StatusCode::kFailedPrecondition,
                         "the sandbox has no snapshot to compare with; create it from a repository",
                         {"NO_BASE", {}});
  }
  ASSIGN_OR_RETURN(const ChangeScope scope, ScopeFromProto(request.path(), sandbox->workdir()));
  ASSIGN_OR_RETURN(const Scanned scanned, Scan(*sandbox, scope, *deps_.clock));
  PatchLimits limits;
  limits.file_bytes_max =
      request.has_file_bytes_max() ? request.file_bytes_max() : kDiffFileBytesMax;
  limits.text_bytes_max = std::min(limits.text_bytes_max, limits.file_bytes_max);
  PatchChunks chunks([&](std::string chunk) {
    v1::DiffSandboxResponse response;
    response.set_chunk(std::move(chunk));
    return stream.Write(std::move(response));
  });
  ASSIGN_OR_RETURN(const PatchSummary summary,
                   WritePatch(scanned.layers, scanned.changes, limits, *deps_.clock,
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

#include "tools/glovebox/sandbox_calls.h"

#include "base/ids.h"
#include "base/status.h"
#include "tools/glovebox/lookup.h"

namespace glovebox {

absl::StatusOr<v1::CreateSandboxRequest> PrepareCreate(Connection& connection,
                                                       const SandboxOptions& options) {
  ASSIGN_OR_RETURN(v1::CreateSandboxRequest request, BuildCreateRequest(options));
  request.set_request_id(NewRandomId());
  if (request.has_snapshot()) {
    ASSIGN_OR_RETURN(const std::string digest, ResolveSnapshot(connection, request.snapshot()));
    request.set_snapshot(digest);
  }
  for (v1::CacheMount& cache : *request.mutable_caches()) {
    if (cache.snapshot().empty()) continue;
    ASSIGN_OR_RETURN(*cache.mutable_snapshot(), ResolveSnapshot(connection, cache.snapshot()));
  }
  return request;
}

absl::StatusOr<v1::Sandbox> CreateSandbox(Connection& connection, CallControl* control,
                                          const v1::CreateSandboxRequest& request) {
  v1::CreateSandboxResponse response;
  RETURN_IF_ERROR(Call(connection, request, &response, control));
  return response.sandbox();
}

absl::StatusOr<v1::Sandbox> GetSandbox(Connection& connection, const std::string& id) {
  v1::GetSandboxRequest request;
  request.set_sandbox_id(id);
  v1::GetSandboxResponse response;
  RETURN_IF_ERROR(Call(connection, request, &response));
  return response.sandbox();
}

absl::Status DeleteSandbox(Connection& connection, CallControl* control, const std::string& id,
                           bool allow_missing) {
  v1::DeleteSandboxRequest request;
  request.set_sandbox_id(id);
  request.set_allow_missing(allow_missing);
  request.set_wait(true);
  v1::DeleteSandboxResponse response;
  return Call(connection, request, &response, control);
}

absl::StatusOr<v1::Exec> GetExec(Connection& connection, const std::string& sandbox_id,
                                 const std::string& exec_id) {
  v1::GetExecRequest request;
  request.set_sandbox_id(sandbox_id);
  request.set_exec_id(exec_id);
  v1::GetExecResponse response;
  RETURN_IF_ERROR(Call(connection, request, &response));
  return response.exec();
}

std::string NewExecId() { return NewRandomId(); }

}  // namespace glovebox

// CompareSandboxes.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "changes/patch_writer.h"
#include "changes/version_matrix.h"
#include "service/change_service.h"
#include "service/convert_change.h"
#include "service/convert_exec.h"
#include "service/find_sandbox.h"
#include "service/request_error.h"
#include "service/scan_sandbox.h"

namespace glovebox {
namespace {

constexpr int kSandboxesMin = 2;
constexpr int kSandboxesMax = 1000;
constexpr uint32_t kPaths = 1000;
constexpr uint32_t kPathsMax = 10'000;
// Sandboxes times paths.
constexpr size_t kVersionsMax = 1'000'000;
// Of the answer: what a client takes unless it says otherwise is 4 MiB.
constexpr size_t kAnswerBytesMax = 3 << 20;

struct Compared {
  std::shared_ptr<Sandbox> sandbox;
  std::shared_ptr<Exec> exec;  // null: none was chosen
  std::string commit;          // of its base, "" when it is none
};

absl::Status BasesDiffer(const SandboxInfo& first, const SandboxInfo& other) {
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("sandbox ", first.id, " was made of ", first.snapshot, " and sandbox ", other.id,
                   " of ", other.snapshot, "; compare sandboxes of one snapshot"),
      {"BASES_DIFFER",
       {{"sandbox_id", other.id}, {"base", first.snapshot}, {"other_base", other.snapshot}}});
}

// All of them are there, the caller's, and of one snapshot.
absl::StatusOr<std::vector<Compared>> FindAll(const ServiceDeps& deps, const Caller& caller,
                                              const v1::CompareSandboxesRequest& request) {
  std::vector<Compared> all;
  std::vector<SandboxInfo> infos;
  for (const v1::ComparedSandbox& asked : request.sandboxes()) {
    Compared compared;
    ASSIGN_OR_RETURN(compared.sandbox, FindSandbox(deps, caller, asked.sandbox_id()));
    ASSIGN_OR_RETURN(SandboxInfo info, deps.sandboxes->Get(caller, asked.sandbox_id()));
    compared.commit = info.commit;
    infos.push_back(std::move(info));
    if (asked.has_exec_id()) {
      ASSIGN_OR_RETURN(compared.exec, compared.sandbox->FindExec(asked.exec_id()));
    }
    all.push_back(std::move(compared));
  }
  for (const SandboxInfo& info : infos) {
    if (info.snapshot.empty()) return NoBase();
    if (info.snapshot != infos.front().snapshot) return BasesDiffer(infos.front(), info);
  }
  return all;
}

absl::Status AddOutcome(const Compared& compared, const ServiceDeps& deps, size_t number,
                        VersionMatrix* matrix, v1::SandboxOutcome* outcome) {
  const Sandbox& sandbox = *compared.sandbox;
  ASSIGN_OR_RETURN(const ChangeScope scope, ScopeFromProto("", sandbox.workdir()));
  ASSIGN_OR_RETURN(const ScannedSandbox scanned, ScanSandbox(sandbox, scope, false, *deps.clock));
  Sha256 digest;
  PatchLimits limits;
  limits.file_bytes_max = kDiffFileBytesMax;
  ASSIGN_OR_RETURN(const PatchSummary summary,
                   WriteSandboxPatch(scanned, compared.commit, limits, *deps.clock,
                                     [&](absl::string_view piece) {
                                       digest.Update(piece);
                                       return absl::OkStatus();
                                     }));
  outcome->set_sandbox_id(sandbox.id());
  *outcome->mutable_summary() = ToProto(summary);
  outcome->mutable_summary()->clear_skipped();
  outcome->mutable_summary()->set_digest(absl::StrCat("sha256:", digest.FinishHex()));
  if (compared.exec != nullptr) {
    const ExecSnapshot exec = compared.exec->Snapshot();
    if (exec.result.has_value()) {
      *outcome->mutable_exec_end() =
          ToProto(*exec.result, compared.exec->spec().terminal.has_value());
    }
  }
  return matrix->Add(number, scanned.layers, scanned.changes);
}

}  // namespace

absl::Status ChangeService::Compare(const UnaryCall& call,
                                    const v1::CompareSandboxesRequest& request,
                                    v1::CompareSandboxesResponse* response) const {
  if (request.sandboxes_size() < kSandboxesMin || request.sandboxes_size() > kSandboxesMax) {
    return FieldError("sandboxes", absl::StrCat("must name ", kSandboxesMin, " to ", kSandboxesMax,
                                                " sandboxes"));
  }
  const uint32_t paths_max = request.has_paths_max() ? request.paths_max() : kPaths;
  if (paths_max > kPathsMax) {
    return FieldError("paths_max", absl::StrCat("must be at most ", kPathsMax));
  }
  ASSIGN_OR_RETURN(const std::vector<Compared> all, FindAll(deps_, call.caller(), request));
  VersionMatrix matrix(all.size(), std::min<size_t>(paths_max, kVersionsMax / all.size()), {},
                       *deps_.clock);
  for (size_t number = 0; number < all.size(); ++number) {
    if (call.cancelled()) return CallCancelled();
    RETURN_IF_ERROR(AddOutcome(all[number], deps_, number, &matrix, response->add_outcomes()));
  }
  size_t bytes = response->ByteSizeLong();
  response->set_paths_cut(matrix.cut());
  for (const VersionMatrix::Row& row : matrix.Take()) {
    v1::ComparedPath path;
    path.set_path(row.path);
    path.mutable_versions()->Add(row.versions.begin(), row.versions.end());
    bytes += path.ByteSizeLong() + 8;
    if (bytes > kAnswerBytesMax) {
      response->set_paths_cut(true);
      break;
    }
    *response->add_paths() = std::move(path);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ChangeService::CompareSandboxes(
    grpc::CallbackServerContext* context, const v1::CompareSandboxesRequest* request,
    v1::CompareSandboxesResponse* response) {
  return UnaryCall::Run(deps_, *context, {"ChangeService/CompareSandboxes", ""}, deps_.transfers,
                        [this, request, response](const UnaryCall& call) {
                          return Compare(call, *request, response);
                        });
}

}  // namespace glovebox

// CompareSandboxes.
#include <algorithm>
#include <memory>
#include <set>
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
  std::set<absl::string_view> ids;
  for (const v1::ComparedSandbox& asked : request.sandboxes()) {
    if (!ids.insert(asked.sandbox_id()).second) {
      return FieldError("sandboxes", "names a sandbox twice");
    }
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

// What its patch reads, at most.
uint64_t PatchBytes(const std::vector<Change>& changes, const PatchLimits& limits) {
  uint64_t bytes = 0;
  for (const Change& change : changes) {
    for (const uint64_t side : {change.old_size_bytes, change.new_size_bytes}) {
      if (side <= limits.file_bytes_max) bytes += side;
    }
  }
  return bytes;
}

// The patch is of no use but for its summary and digest.
absl::StatusOr<PatchSummary> SummarizePatch(const UnaryCall& call, const ScannedSandbox& scanned,
                                            absl::string_view commit, const Clock& clock,
                                            VersionMatrix* matrix, std::string* digest) {
  PatchLimits limits;
  limits.file_bytes_max = kDiffFileBytesMax;
  RETURN_IF_ERROR(matrix->ChargeRead(PatchBytes(scanned.changes, limits)));
  limits.time_ms_max = matrix->ms_left();
  Sha256 sha256;
  const auto sink = [&](absl::string_view piece) -> absl::Status {
    if (call.cancelled()) return CallCancelled();
    sha256.Update(piece);
    return absl::OkStatus();
  };
  absl::StatusOr<PatchSummary> summary = WriteSandboxPatch(scanned, commit, limits, clock, sink);
  // When the time is over the whole call has too much to compare, not this one patch.
  if (absl::IsResourceExhausted(summary.status())) RETURN_IF_ERROR(matrix->CheckTime());
  *digest = absl::StrCat("sha256:", sha256.FinishHex());
  return summary;
}

absl::Status AddOutcome(const UnaryCall& call, const Compared& compared, const Clock& clock,
                        size_t number, VersionMatrix* matrix, v1::SandboxOutcome* outcome) {
  const Sandbox& sandbox = *compared.sandbox;
  ASSIGN_OR_RETURN(const ChangeScope scope, ScopeFromProto("", sandbox.workdir()));
  RETURN_IF_ERROR(matrix->CheckTime());
  ScanLimits limits;
  limits.time_ms_max = std::min(limits.time_ms_max, matrix->ms_left());
  limits.compare_bytes_max = std::min(limits.compare_bytes_max, matrix->read_bytes_left());
  ASSIGN_OR_RETURN(const ScannedSandbox scanned, ScanSandbox(sandbox, scope, false, clock, limits));
  std::string digest;
  ASSIGN_OR_RETURN(const PatchSummary summary,
                   SummarizePatch(call, scanned, compared.commit, clock, matrix, &digest));
  outcome->set_sandbox_id(sandbox.id());
  *outcome->mutable_summary() = ToProto(summary);
  outcome->mutable_summary()->clear_skipped();
  outcome->mutable_summary()->set_digest(digest);
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
  // With it the time of the whole call begins.
  VersionMatrix matrix(all.size(), std::min<size_t>(paths_max, kVersionsMax / all.size()), {},
                       *deps_.clock);
  for (size_t number = 0; number < all.size(); ++number) {
    if (call.cancelled()) return CallCancelled();
    RETURN_IF_ERROR(
        AddOutcome(call, all[number], *deps_.clock, number, &matrix, response->add_outcomes()));
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

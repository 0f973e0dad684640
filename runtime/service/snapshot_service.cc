#include "service/snapshot_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/escape.h"
#include "base/ids.h"
#include "base/status.h"
#include "service/convert_sandbox.h"
#include "service/convert_snapshot.h"
#include "service/convert_time.h"
#include "service/find_sandbox.h"
#include "service/request_error.h"
#include "service/unary_call.h"

namespace glovebox {
namespace {

constexpr int64_t kProgressIntervalNs = 500'000'000;
constexpr size_t kUsersNamedMax = 16;

// Adds the sandboxes that use the thing to an ..._IN_USE error.
template <typename Uses>
absl::Status NameUsers(const absl::Status& status, const std::vector<SandboxInfo>& sandboxes,
                       Uses uses) {
  std::optional<ErrorDetail> detail = GetErrorDetail(status);
  if (!absl::IsFailedPrecondition(status) || !detail.has_value()) return status;
  std::vector<std::string> users;
  for (const SandboxInfo& info : sandboxes) {
    if (uses(info) && users.size() < kUsersNamedMax) users.push_back(info.id);
  }
  if (!users.empty()) detail->metadata["sandboxes"] = absl::StrJoin(users, ",");
  return DetailedError(status.code(), status.message(), *detail);
}

// Adds the names by which the caller, or all, use the snapshot as a cache.
absl::Status NameCaches(const absl::Status& status, const std::vector<CacheInfo>& caches,
                        const std::string& digest) {
  std::optional<ErrorDetail> detail = GetErrorDetail(status);
  if (!absl::IsFailedPrecondition(status) || !detail.has_value()) return status;
  std::vector<std::string> names;
  for (const CacheInfo& info : caches) {
    if (info.snapshot == digest && names.size() < kUsersNamedMax) names.push_back(info.name);
  }
  if (!names.empty()) detail->metadata["caches"] = absl::StrJoin(names, ",");
  return DetailedError(status.code(), status.message(), *detail);
}

absl::Status AllowMissing(const absl::Status& status, bool allow) {
  return allow && absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status NameReserved() {
  return DetailedError(absl::StatusCode::kInvalidArgument,
                       "name: \"host\" is the daemon's own image; choose another name",
                       {"IMAGE_NAME_RESERVED", {{"field", "name"}}});
}

absl::Status CheckHostPath(absl::string_view path, absl::string_view field) {
  const bool fits = !path.empty() && path[0] == '/' && path.size() <= 4095 &&
                    path.find('\0') == absl::string_view::npos;
  return fits ? absl::OkStatus() : FieldError(field, "must be an absolute path on the host");
}

absl::StatusOr<BlobDigest> UploadFromProto(const v1::Digest& proto, absl::string_view field) {
  ASSIGN_OR_RETURN(BlobDigest digest, FromProto(proto, field));
  if (IsEmptyBlob(digest)) return FieldError(field, "is of nothing; upload an archive or a Tree");
  return digest;
}

// Tells a client how far an import is: each phase when it begins, and now and then.
template <typename Response>
ImportProgressCallback TellTo(const Clock* clock, ProducedStream<Response>& stream) {
  return [clock, &stream, last_ns = int64_t{0},
          last_phase = ImportPhase::kResolving](const ImportProgress& progress) mutable {
    const int64_t now_ns = clock->MonotonicNanos();
    if (progress.phase == last_phase && now_ns - last_ns < kProgressIntervalNs) return;
    last_ns = now_ns;
    last_phase = progress.phase;
    Response response;
    *response.mutable_progress() = ToProto(progress);
    stream.WriteIfIdle(std::move(response));
  };
}

}  // namespace

absl::StatusOr<SnapshotInfo> SnapshotService::ImportFrom(const v1::ImportSnapshotRequest& request,
                                                         SnapshotStream& stream) const {
  const Caller& caller = stream.caller();
  const auto tell = TellTo<v1::ImportSnapshotResponse>(deps_.clock, stream);
  switch (request.source_case()) {
    case v1::ImportSnapshotRequest::kRepository: {
      ASSIGN_OR_RETURN(const RepositorySource source,
                       FromProto(request.repository(), "repository"));
      return deps_.sandboxes->ImportRepository(caller, source, tell);
    }
    case v1::ImportSnapshotRequest::kArchivePath:
      RETURN_IF_ERROR(CheckHostPath(request.archive_path(), "archive_path"));
      return deps_.sandboxes->ImportTree(caller, TreeImportRequest::Kind::kArchive,
                                         request.archive_path(), tell);
    case v1::ImportSnapshotRequest::kDirectoryPath:
      RETURN_IF_ERROR(CheckHostPath(request.directory_path(), "directory_path"));
      return deps_.sandboxes->ImportTree(caller, TreeImportRequest::Kind::kDirectory,
                                         request.directory_path(), tell);
    case v1::ImportSnapshotRequest::kUploadedArchive: {
      ASSIGN_OR_RETURN(const BlobDigest digest,
                       UploadFromProto(request.uploaded_archive(), "uploaded_archive"));
      return deps_.sandboxes->ImportUpload(caller, UploadImportRequest::Kind::kArchive, digest,
                                           tell);
    }
    case v1::ImportSnapshotRequest::kUploadedTree: {
      ASSIGN_OR_RETURN(const BlobDigest digest,
                       UploadFromProto(request.uploaded_tree(), "uploaded_tree"));
      return deps_.sandboxes->ImportUpload(caller, UploadImportRequest::Kind::kTree, digest, tell);
    }
    case v1::ImportSnapshotRequest::kRemoteRepository: {
      ASSIGN_OR_RETURN(const RemoteSource source,
                       FromProto(request.remote_repository(), "remote_repository"));
      return deps_.sandboxes->ImportRemote(caller, source, tell,
                                           [&stream] { return stream.cancelled(); });
    }
    case v1::ImportSnapshotRequest::SOURCE_NOT_SET:
      break;
  }
  return FieldError("repository", "is missing; name the source to import");
}

absl::Status SnapshotService::Import(const v1::ImportSnapshotRequest& request,
                                     SnapshotStream& stream) const {
  ASSIGN_OR_RETURN(const SnapshotInfo info, ImportFrom(request, stream));
  v1::ImportSnapshotResponse last;
  *last.mutable_snapshot() = ToProto(info, deps_.sandboxes->List(stream.caller()));
  return stream.Write(std::move(last));
}

grpc::ServerWriteReactor<v1::ImportSnapshotResponse>* SnapshotService::ImportSnapshot(
    grpc::CallbackServerContext* context, const v1::ImportSnapshotRequest* request) {
  return SnapshotStream::Run(
      deps_, {"SnapshotService/ImportSnapshot"}, context,
      [this, request](SnapshotStream& stream) { return Import(*request, stream); });
}

grpc::ServerUnaryReactor* SnapshotService::CaptureSandbox(grpc::CallbackServerContext* context,
                                                          const v1::CaptureSandboxRequest* request,
                                                          v1::CaptureSandboxResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SnapshotService/CaptureSandbox", request->sandbox_id()}, deps_.transfers,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const CaptureOutcome outcome,
                         deps_.sandboxes->Capture(call.caller(), request->sandbox_id()));
        *response->mutable_snapshot() =
            ToProto(outcome.snapshot, deps_.sandboxes->List(call.caller()));
        *response->mutable_frozen_time() = ToProtoDuration(outcome.frozen);
        return absl::OkStatus();
      });
}

absl::Status SnapshotService::Collect(const v1::CollectGarbageRequest& request,
                                      CollectStream& stream) const {
  CollectOptions options;
  options.dry_run = request.dry_run();
  if (request.has_bytes_max()) options.budget.bytes_max = request.bytes_max();
  if (request.has_files_max()) options.budget.inodes_max = request.files_max();
  if (request.has_idle_min()) {
    ASSIGN_OR_RETURN(const uint32_t idle_ms, MillisFromProto(request.idle_min(), 0, "idle_min"));
    options.idle_min = absl::Milliseconds(idle_ms);
  }
  ASSIGN_OR_RETURN(const Collected collected,
                   deps_.sandboxes->CollectSnapshots(stream.caller(), options));
  ASSIGN_OR_RETURN(const BlobCollection blobs,
                   deps_.sandboxes->CollectBlobs(stream.caller(), options.dry_run));
  v1::CollectGarbageResponse last;
  v1::CollectGarbageSummary& summary = *last.mutable_summary();
  for (const SnapshotInfo& info : collected.removed) {
    v1::CollectGarbageResponse response;
    *response.mutable_removed() = ToProto(info, {});
    summary.set_bytes_freed(summary.bytes_freed() + info.host_bytes);
    RETURN_IF_ERROR(stream.Write(std::move(response)));
  }
  summary.set_removed_count(static_cast<uint32_t>(collected.removed.size()));
  summary.set_bytes_used(collected.use.bytes);
  summary.set_files_used(collected.use.inodes);
  summary.set_blobs_removed(blobs.removed);
  summary.set_blob_bytes_freed(blobs.bytes_freed);
  summary.set_blob_bytes_used(blobs.bytes_used);
  return stream.Write(std::move(last));
}

grpc::ServerWriteReactor<v1::CollectGarbageResponse>* SnapshotService::CollectGarbage(
    grpc::CallbackServerContext* context, const v1::CollectGarbageRequest* request) {
  return CollectStream::Run(
      deps_, {"SnapshotService/CollectGarbage"}, context,
      [this, request](CollectStream& stream) { return Collect(*request, stream); });
}

grpc::ServerWriteReactor<v1::CheckStoreResponse>* SnapshotService::CheckStore(
    grpc::CallbackServerContext* context, const v1::CheckStoreRequest* request) {
  return CheckStream::Run(
      deps_, {"SnapshotService/CheckStore"}, context, [this, request](CheckStream& stream) {
        return deps_.sandboxes->CheckSnapshots(
            stream.caller(), request->read_content(), [&](const EntryCheck& check) {
              v1::CheckStoreResponse response;
              response.set_name(EscapeForPeople(check.name, 200));
              response.set_damaged(!check.problem.empty());
              response.set_problem(EscapeForPeople(check.problem, 1000));
              response.set_remedy(check.remedy);
              return stream.Write(std::move(response));
            });
      });
}

grpc::ServerUnaryReactor* SnapshotService::GetSnapshot(grpc::CallbackServerContext* context,
                                                       const v1::GetSnapshotRequest* request,
                                                       v1::GetSnapshotResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SnapshotService/GetSnapshot"}, deps_.calls,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const SnapshotInfo info,
                         deps_.sandboxes->FindSnapshot(call.caller(), request->digest()));
        *response->mutable_snapshot() = ToProto(info, deps_.sandboxes->List(call.caller()));
        return absl::OkStatus();
      });
}

absl::Status SnapshotService::List(const Caller& caller, const v1::ListSnapshotsRequest& request,
                                   v1::ListSnapshotsResponse* response) const {
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query =
      absl::StrCat("ListSnapshots\n", WithoutPage(request).SerializeAsString());
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  const auto key_of = [](const SnapshotInfo& info) {
    return absl::StrCat(SortableKey(static_cast<uint64_t>(absl::ToUnixNanos(info.created))),
                        info.digest);
  };
  std::vector<SnapshotInfo> infos = deps_.sandboxes->ListSnapshots(caller);
  std::erase_if(infos, [&](const SnapshotInfo& info) {
    return !request.commit().empty() && info.commit != request.commit();
  });
  std::sort(infos.begin(), infos.end(),
            [&](const SnapshotInfo& a, const SnapshotInfo& b) { return key_of(a) < key_of(b); });
  const std::vector<SandboxInfo> sandboxes = deps_.sandboxes->List(caller);
  const std::string last =
      TakePage<SnapshotInfo>(infos, after, size, key_of, [&](const SnapshotInfo& info) {
        *response->add_snapshots() = ToProto(info, sandboxes);
        return response->snapshots().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SnapshotService::ListSnapshots(grpc::CallbackServerContext* context,
                                                         const v1::ListSnapshotsRequest* request,
                                                         v1::ListSnapshotsResponse* response) {
  return UnaryCall::Run(deps_, *context, {"SnapshotService/ListSnapshots"}, deps_.calls,
                        [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

grpc::ServerUnaryReactor* SnapshotService::DeleteSnapshot(
    grpc::CallbackServerContext* context, const v1::DeleteSnapshotRequest* request,
    v1::DeleteSnapshotResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, {"SnapshotService/DeleteSnapshot"}, deps_.calls,
      [this, request](const UnaryCall& call) {
        const absl::Status deleted =
            NameCaches(deps_.sandboxes->DeleteSnapshot(call.caller(), request->digest()),
                       deps_.sandboxes->ListCaches(call.caller()), request->digest());
        return AllowMissing(
            NameUsers(deleted, deps_.sandboxes->List(call.caller()),
                      [&](const SandboxInfo& s) { return UsesSnapshot(s, request->digest()); }),
            request->allow_missing());
      });
}

absl::StatusOr<ImageInfo> SnapshotService::ImportRoot(const std::string& name,
                                                      const std::string& path, bool is_directory,
                                                      ImageStream& stream) const {
  v1::ImportImageResponse first;
  first.mutable_progress()->set_phase(v1::IMPORT_PHASE_UNPACKING);
  stream.WriteIfIdle(std::move(first));
  return deps_.sandboxes->ImportImage(stream.caller(), name, path, is_directory);
}

absl::StatusOr<ImageInfo> SnapshotService::ImportFrom(const v1::ImportImageRequest& request,
                                                      const std::string& name,
                                                      ImageStream& stream) const {
  switch (request.source_case()) {
    case v1::ImportImageRequest::kArchivePath:
      RETURN_IF_ERROR(CheckHostPath(request.archive_path(), "archive_path"));
      return ImportRoot(name, request.archive_path(), /*is_directory=*/false, stream);
    case v1::ImportImageRequest::kDirectoryPath:
      RETURN_IF_ERROR(CheckHostPath(request.directory_path(), "directory_path"));
      return ImportRoot(name, request.directory_path(), /*is_directory=*/true, stream);
    case v1::ImportImageRequest::kOciPath:
      RETURN_IF_ERROR(CheckHostPath(request.oci_path(), "oci_path"));
      return deps_.sandboxes->ImportOci(stream.caller(), name, request.oci_path(),
                                        TellTo<v1::ImportImageResponse>(deps_.clock, stream));
    case v1::ImportImageRequest::kReference:
      return FieldNotServed("reference");
    case v1::ImportImageRequest::SOURCE_NOT_SET:
      break;
  }
  return FieldError("archive_path", "is missing; name the archive to import");
}

absl::Status SnapshotService::Import(const v1::ImportImageRequest& request,
                                     ImageStream& stream) const {
  ASSIGN_OR_RETURN(const std::string name, ParseClientName(request.name(), "name"));
  if (name == ImageStore::kHostName) return NameReserved();
  ASSIGN_OR_RETURN(const ImageInfo info, ImportFrom(request, name, stream));
  v1::ImportImageResponse last;
  *last.mutable_image() =
      ToProto(info, deps_.sandboxes->List(stream.caller()), *deps_.sandboxes->images());
  return stream.Write(std::move(last));
}

grpc::ServerWriteReactor<v1::ImportImageResponse>* SnapshotService::ImportImage(
    grpc::CallbackServerContext* context, const v1::ImportImageRequest* request) {
  return ImageStream::Run(
      deps_, {"SnapshotService/ImportImage"}, context,
      [this, request](ImageStream& stream) { return Import(*request, stream); });
}

absl::Status SnapshotService::List(const Caller& caller, const v1::ListImagesRequest& request,
                                   v1::ListImagesResponse* response) const {
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query = "ListImages\n";
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  const std::vector<SandboxInfo> sandboxes = deps_.sandboxes->List(caller);
  const std::string last = TakePage<ImageInfo>(
      deps_.sandboxes->images()->List(), after, size,
      [](const ImageInfo& info) { return info.name; },
      [&](const ImageInfo& info) {
        *response->add_images() = ToProto(info, sandboxes, *deps_.sandboxes->images());
        return response->images().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SnapshotService::ListImages(grpc::CallbackServerContext* context,
                                                      const v1::ListImagesRequest* request,
                                                      v1::ListImagesResponse* response) {
  return UnaryCall::Run(deps_, *context, {"SnapshotService/ListImages"}, deps_.calls,
                        [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

grpc::ServerUnaryReactor* SnapshotService::DeleteImage(grpc::CallbackServerContext* context,
                                                       const v1::DeleteImageRequest* request,
                                                       v1::DeleteImageResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, {"SnapshotService/DeleteImage"}, deps_.calls,
      [this, request](const UnaryCall& call) {
        if (request->name() == ImageStore::kHostName) return NameReserved();
        const absl::Status deleted = deps_.sandboxes->DeleteImage(call.caller(), request->name());
        return AllowMissing(
            NameUsers(deleted, deps_.sandboxes->List(call.caller()),
                      [&](const SandboxInfo& s) { return s.image == request->name(); }),
            request->allow_missing());
      });
}

}  // namespace glovebox

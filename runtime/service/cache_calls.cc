// SnapshotService: names of snapshots as caches.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "service/convert_time.h"
#include "service/paging.h"
#include "service/snapshot_service.h"
#include "service/unary_call.h"

namespace glovebox {
namespace {

v1::Cache ToProto(const CacheInfo& info) {
  v1::Cache proto;
  proto.set_name(info.name);
  proto.set_snapshot(info.snapshot);
  proto.set_shared(info.shared);
  proto.set_owner(info.owner);
  *proto.mutable_set_time() = ToProtoTime(info.set);
  proto.set_broken(info.broken);
  return proto;
}

}  // namespace

grpc::ServerUnaryReactor* SnapshotService::SetCache(grpc::CallbackServerContext* context,
                                                    const v1::SetCacheRequest* request,
                                                    v1::SetCacheResponse* response) {
  return UnaryCall::Run(
      deps_, *context, {"SnapshotService/SetCache"}, deps_.calls,
      [this, request, response](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string digest, ParseDigest(request->snapshot()));
        ASSIGN_OR_RETURN(
            const CacheInfo info,
            deps_.sandboxes->SetCache(call.caller(), request->name(), digest, request->shared()));
        *response->mutable_cache() = ToProto(info);
        return absl::OkStatus();
      });
}

absl::Status SnapshotService::List(const Caller& caller, const v1::ListCachesRequest& request,
                                   v1::ListCachesResponse* response) const {
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query = "ListCaches\n";
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  const std::string last = TakePage<CacheInfo>(
      deps_.sandboxes->ListCaches(caller), after, size,
      // Below every character of a name; as the list is sorted, shared ones first.
      [](const CacheInfo& info) {
        return absl::StrCat(info.name, "\n", info.shared ? "" : info.owner);
      },
      [&](const CacheInfo& info) {
        *response->add_caches() = ToProto(info);
        return response->caches().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SnapshotService::ListCaches(grpc::CallbackServerContext* context,
                                                      const v1::ListCachesRequest* request,
                                                      v1::ListCachesResponse* response) {
  return UnaryCall::Run(deps_, *context, {"SnapshotService/ListCaches"}, deps_.calls,
                        [this, request, response](const UnaryCall& call) {
                          return List(call.caller(), *request, response);
                        });
}

grpc::ServerUnaryReactor* SnapshotService::DeleteCache(grpc::CallbackServerContext* context,
                                                       const v1::DeleteCacheRequest* request,
                                                       v1::DeleteCacheResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, {"SnapshotService/DeleteCache"}, deps_.calls,
      [this, request](const UnaryCall& call) {
        const absl::Status deleted = deps_.sandboxes->DeleteCache(
            call.caller(), request->name(),
            request->has_owner() ? request->owner() : call.caller().principal);
        return request->allow_missing() && absl::IsNotFound(deleted) ? absl::OkStatus() : deleted;
      });
}

}  // namespace glovebox

// NetworkService: secrets that rules add to requests.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/secret_value.h"
#include "service/convert_time.h"
#include "service/network_service.h"
#include "service/paging.h"
#include "service/unary_call.h"

namespace glovebox {
namespace {

v1::Secret ToProto(const SecretInfo& info) {
  v1::Secret proto;
  proto.set_name(info.name);
  *proto.mutable_create_time() = ToProtoTime(info.created);
  proto.set_owner(info.owner);
  return proto;
}

// The value, and leaves nothing of it in the request, which is ours until the call ends. The slices
// that gRPC read it from are not: they are freed as they are, and it is in no core file because the
// daemon leaves none.
SecretValue TakeValue(const v1::CreateSecretRequest* request) {
  // Not const where it was made; nobody else reads it.
  std::string* const bytes = const_cast<v1::CreateSecretRequest*>(request)->mutable_value();
  SecretValue value{std::string(*bytes)};
  Wipe(bytes);
  return value;
}

}  // namespace

grpc::ServerUnaryReactor* NetworkService::CreateSecret(grpc::CallbackServerContext* context,
                                                       const v1::CreateSecretRequest* request,
                                                       v1::CreateSecretResponse* response) {
  // It waits for the proxy, where sandboxes have missed the secret.
  return UnaryCall::Run(
      deps_, *context, {"NetworkService/CreateSecret"}, deps_.transfers,
      [this, request, response, value = TakeValue(request)](const UnaryCall& call) -> absl::Status {
        ASSIGN_OR_RETURN(const SecretInfo info,
                         deps_.sandboxes->CreateSecret(call.caller(), request->name(),
                                                       std::string(value.bytes())));
        *response->mutable_secret() = ToProto(info);
        return absl::OkStatus();
      });
}

absl::Status NetworkService::ListSecretsOf(const Caller& caller,
                                           const v1::ListSecretsRequest& request,
                                           v1::ListSecretsResponse* response) const {
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query = "ListSecrets\n";
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  const std::string last = TakePage<SecretInfo>(
      deps_.sandboxes->ListSecrets(caller), after, size,
      // Below every character of a name; as the list is sorted.
      [](const SecretInfo& info) { return absl::StrCat(info.name, "\n", info.owner); },
      [&](const SecretInfo& info) {
        *response->add_secrets() = ToProto(info);
        return response->secrets().rbegin()->ByteSizeLong();
      });
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* NetworkService::ListSecrets(grpc::CallbackServerContext* context,
                                                      const v1::ListSecretsRequest* request,
                                                      v1::ListSecretsResponse* response) {
  return UnaryCall::Run(deps_, *context, {"NetworkService/ListSecrets"}, deps_.calls,
                        [this, request, response](const UnaryCall& call) {
                          return ListSecretsOf(call.caller(), *request, response);
                        });
}

grpc::ServerUnaryReactor* NetworkService::DeleteSecret(grpc::CallbackServerContext* context,
                                                       const v1::DeleteSecretRequest* request,
                                                       v1::DeleteSecretResponse* /*response*/) {
  return UnaryCall::Run(
      deps_, *context, {"NetworkService/DeleteSecret"}, deps_.transfers,
      [this, request](const UnaryCall& call) {
        const absl::Status deleted = deps_.sandboxes->DeleteSecret(
            call.caller(), request->name(),
            request->has_owner() ? request->owner() : call.caller().principal);
        return request->allow_missing() && absl::IsNotFound(deleted) ? absl::OkStatus() : deleted;
      });
}

}  // namespace glovebox

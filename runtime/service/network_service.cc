#include "service/network_service.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ports/port_questions.h"
#include "service/convert_egress.h"
#include "service/find_sandbox.h"
#include "service/forward_port_call.h"
#include "service/paging.h"
#include "service/port_owners.h"
#include "service/unary_call.h"
#include "service/wait_for_port_call.h"
#include "service/watch_connections_call.h"

namespace glovebox {
namespace {

// Init answers at once, unless its commands keep it from running.
constexpr absl::Duration kInitAnswersWithin = absl::Seconds(10);

std::string KeyOf(const PortListener& listener) {
  return absl::StrCat(SortableKey(listener.socket.port), listener.socket.address, " ",
                      SortableKey(listener.socket.inode));
}

}  // namespace

absl::Status NetworkService::Update(const UnaryCall& call, const v1::UpdateEgressRequest& request,
                                    v1::UpdateEgressResponse* response) const {
  ASSIGN_OR_RETURN(const EgressPolicy policy, FromProto(request.policy(), "policy"));
  std::optional<std::string> etag;
  if (request.has_etag()) etag = request.etag();
  ASSIGN_OR_RETURN(
      const EgressUpdate update,
      deps_.sandboxes->UpdateEgress(call.caller(), request.sandbox_id(), policy, etag));
  *response->mutable_policy() = ToProto(update.policy);
  response->set_etag(update.etag);
  response->set_connections_cut(update.connections_cut);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* NetworkService::UpdateEgress(grpc::CallbackServerContext* context,
                                                       const v1::UpdateEgressRequest* request,
                                                       v1::UpdateEgressResponse* response) {
  // It waits for the proxy, which may have to be replaced first.
  return UnaryCall::Run(deps_, *context, {"NetworkService/UpdateEgress", request->sandbox_id()},
                        deps_.transfers, [this, request, response](const UnaryCall& call) {
                          return Update(call, *request, response);
                        });
}

grpc::ServerWriteReactor<v1::WatchConnectionsResponse>* NetworkService::WatchConnections(
    grpc::CallbackServerContext* context, const v1::WatchConnectionsRequest* request) {
  return WatchConnectionsCall::Run(deps_, *context, *request);
}

grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>*
NetworkService::ForwardPort(grpc::CallbackServerContext* context) {
  return ForwardPortCall::Run(deps_, *context);
}

absl::Status NetworkService::List(const UnaryCall& call,
                                  const v1::ListListeningPortsRequest& request,
                                  v1::ListListeningPortsResponse* response) const {
  ASSIGN_OR_RETURN(const int32_t size, PageSize(request.page_size()));
  const std::string query = absl::StrCat("ListListeningPorts\n", request.sandbox_id());
  ASSIGN_OR_RETURN(const std::string after, deps_.page_tokens->Read(query, request.page_token()));
  ASSIGN_OR_RETURN(std::shared_ptr<Sandbox> sandbox,
                   FindSandbox(deps_, call.caller(), request.sandbox_id()));
  ASSIGN_OR_RETURN(const std::shared_ptr<PortQuestions> questions,
                   PortQuestions::Begin(sandbox, [] {}));
  RETURN_IF_ERROR(questions->AwaitReady(kInitAnswersWithin));
  ASSIGN_OR_RETURN(const PortListing listing, questions->List());
  response->set_omitted_count(listing.omitted);
  std::vector<uint64_t> inodes;
  const std::string last = TakePage<PortListener>(
      listing.listeners, after, size, KeyOf, [&](const PortListener& listener) {
        inodes.push_back(listener.socket.inode);
        *response->add_ports() = ToProto(listener);
        return response->ports().rbegin()->ByteSizeLong();
      });
  const std::map<uint64_t, PortOwner> owners =
      FindPortOwners(std::move(sandbox), inodes, [&call] { return call.cancelled(); });
  for (size_t i = 0; i < inodes.size(); ++i) {
    v1::ListeningPort& port = *response->mutable_ports(static_cast<int>(i));
    const auto owner = owners.find(inodes[i]);
    if (owner == owners.end()) {
      response->set_owners_incomplete(true);
      continue;
    }
    port.set_pid(owner->second.pid);
    port.set_program(owner->second.program);
  }
  if (!last.empty()) response->set_next_page_token(deps_.page_tokens->Make(query, last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* NetworkService::ListListeningPorts(
    grpc::CallbackServerContext* context, const v1::ListListeningPortsRequest* request,
    v1::ListListeningPortsResponse* response) {
  // It waits for the sandbox's init, so a sandbox has its share of the threads alone.
  return UnaryCall::Run(
      deps_, *context, {"NetworkService/ListListeningPorts", request->sandbox_id()},
      deps_.transfers,
      [this, request, response](const UnaryCall& call) { return List(call, *request, response); });
}

grpc::ServerUnaryReactor* NetworkService::WaitForPort(grpc::CallbackServerContext* context,
                                                      const v1::WaitForPortRequest* request,
                                                      v1::WaitForPortResponse* response) {
  return WaitForPortCall::Run(deps_, *context, *request, response);
}

}  // namespace glovebox

#include "daemon/server.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/keepalive.h"
#include "base/status.h"
#include "daemon/reflection.h"
#include "daemon/tcp_endpoint.h"
#include "glovebox/v1/change.grpc.pb.h"
#include "glovebox/v1/exec.grpc.pb.h"
#include "glovebox/v1/node.grpc.pb.h"
#include "glovebox/v1/sandbox.grpc.pb.h"
#include "glovebox/v1/snapshot.grpc.pb.h"
#include "service/status_interceptor.h"

namespace glovebox {
namespace {

constexpr int kHandshakeWithinMs = 10'000;
constexpr int kIdleConnectionMs = 30 * 60 * 1000;
constexpr int kConnectionAgeMs = 4 * 60 * 60 * 1000;

void SetLimits(const ServerOptions& options, grpc::ServerBuilder* builder) {
  // gRPC takes a message in whole before it looks at its size: without this each client could make
  // the daemon hold as many as it likes. Beyond it, streams that hold most are reset.
  grpc::ResourceQuota quota("buffers");
  quota.Resize(Server::kBufferedBytesMax);
  builder->SetResourceQuota(quota);
  builder->SetMaxReceiveMessageSize(Server::kMessageBytesMax);
  builder->SetMaxSendMessageSize(-1);  // pages and chunks are bounded where they are made
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, Server::kStreamsPerConnectionMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 * 1024);
  // Over TCP: who does not get through the handshake in this time is nobody we know.
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeWithinMs);
  // Without calls for so long: the client connects again by itself when it has one.
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleConnectionMs);
  // Certificates are looked at when a connection is made. Calls that are open go on.
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMs);
  // A peer that neither speaks nor answers within 80 s is gone.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerPingEveryMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerWithinMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              options.client_pings_apart_ms);
}

// The default health service knows only the server as a whole, "", until it is told of more.
void ShowAsServing(grpc::Server* server) {
  grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
  if (health == nullptr) return;
  for (const char* name :
       {v1::ChangeService::service_full_name(), v1::ExecService::service_full_name(),
        v1::NodeService::service_full_name(), v1::SandboxService::service_full_name(),
        v1::SnapshotService::service_full_name()}) {
    health->SetServingStatus(name, true);
  }
}

}  // namespace

Server::Server(std::unique_ptr<grpc::Server> server, int tcp_port)
    : server_(std::move(server)), tcp_port_(tcp_port) {}

Server::~Server() {
  StopAccepting();
  Shutdown(absl::ZeroDuration());
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services,
                                                      RpcObserver* observer, const Log* log) {
  ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Open(options.socket, options.socket_group));
  grpc::EnableDefaultHealthCheckService(true);
  if (options.reflection) RETURN_IF_ERROR(LoadReflection());
  grpc::ServerBuilder builder;
  SetLimits(options, &builder);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(MakeStatusInterceptorFactory(observer));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  TcpListener port;
  ConnectionAcceptor::Tcp tcp;
  if (!options.tcp_listen.empty()) {
    ASSIGN_OR_RETURN(port, ListenTcp(options.tcp_listen));
    tcp.socket = std::move(port.socket);
    tcp.grpc = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        options.tcp_credentials);
  }
  std::unique_ptr<grpc::Server> started = builder.BuildAndStart();
  if (started == nullptr) {
    return DetailedError(absl::StatusCode::kInternal, "gRPC did not start", {"UNCLASSIFIED", {}});
  }
  ShowAsServing(started.get());
  std::unique_ptr<Server> server(new Server(std::move(started), port.port));
  // Only who may connect(2) to the socket gets there, and is checked: no other credentials.
  ASSIGN_OR_RETURN(server->acceptor_,
                   ConnectionAcceptor::Start(std::move(listener), std::move(tcp),
                                             {::geteuid(), options.socket_group}, options.peers,
                                             server->server_.get(), log));
  return server;
}

void Server::StopAccepting() {
  if (auto* health = server_->GetHealthCheckService(); health != nullptr) {
    health->SetServingStatus(false);
  }
  acceptor_.reset();
}

void Server::Shutdown(absl::Duration grace) {
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
}

}  // namespace glovebox

#include "daemon/server.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/keepalive.h"
#include "base/status.h"
#include "daemon/reflection.h"
#include "glovebox/v1/change.grpc.pb.h"
#include "glovebox/v1/exec.grpc.pb.h"
#include "glovebox/v1/file.grpc.pb.h"
#include "glovebox/v1/node.grpc.pb.h"
#include "glovebox/v1/sandbox.grpc.pb.h"
#include "glovebox/v1/snapshot.grpc.pb.h"
#include "linux/tcp_endpoint.h"
#include "service/status_interceptor.h"

namespace glovebox {
namespace {

// Over TCP: who does not get through the handshake in this time is nobody we know.
constexpr uint32_t kHandshakeWithinMs = 10'000;
constexpr uint32_t kPartingMs = 10'000;
// "nobody": no file is its, and it is in no group.
constexpr uint32_t kFrontUid = 65534;
// Of the front, whatever is configured: two descriptors each.
constexpr uint64_t kTcpConnectionsMax = 1 << 16;
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
        v1::FileService::service_full_name(), v1::NodeService::service_full_name(),
        v1::SandboxService::service_full_name(), v1::SnapshotService::service_full_name()}) {
    health->SetServingStatus(name, true);
  }
}

}  // namespace

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
  std::unique_ptr<grpc::Server> started = builder.BuildAndStart();
  if (started == nullptr) {
    return DetailedError(absl::StatusCode::kInternal, "gRPC did not start", {"UNCLASSIFIED", {}});
  }
  ShowAsServing(started.get());
  std::unique_ptr<Server> server(new Server(std::move(started)));
  if (!options.tcp_listen.empty()) RETURN_IF_ERROR(server->OpenTcp(options, log));
  // Only who may connect(2) to the socket gets there, and is checked: no other credentials.
  ASSIGN_OR_RETURN(server->acceptor_, ConnectionAcceptor::Start(
                                          std::move(listener), {::geteuid(), options.socket_group},
                                          options.peers, server->server_.get(), log));
  return server;
}

absl::Status Server::OpenTcp(const ServerOptions& options, const Log* log) {
  ASSIGN_OR_RETURN(TcpListener port, ListenTcp(options.tcp_listen));
  tcp_port_ = port.port;
  const auto narrowed = [](uint64_t limit) {
    return static_cast<uint32_t>(std::min<uint64_t>(limit, kTcpConnectionsMax));
  };
  FrontSetup setup;
  setup.uid = kFrontUid;
  setup.connections_max = narrowed(options.connections.all);
  setup.strangers_max = narrowed(options.connections.strangers);
  setup.network_strangers_max = narrowed(options.connections.of_client);
  setup.handshake_ms = kHandshakeWithinMs;
  setup.parting_ms = kPartingMs;
  ASSIGN_OR_RETURN(FrontParts parts,
                   MakeFrontParts(options.tcp_pems, std::move(port.socket), setup));
  const auto admit = [peers = options.peers, server = server_.get()](const FrontEvent& connection,
                                                                     UniqueFd socket) {
    RETURN_IF_ERROR(peers->AddTcp(socket.get(), connection.peer, connection.text));
    grpc::AddInsecureChannelFromFd(server, socket.Release());
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(front_, FrontDoor::Start(std::move(parts), admit, log));
  return absl::OkStatus();
}

void Server::StopAccepting() {
  if (auto* health = server_->GetHealthCheckService(); health != nullptr) {
    health->SetServingStatus(false);
  }
  acceptor_.reset();
  if (front_ != nullptr) front_->StopAccepting();
}

void Server::Shutdown(absl::Duration grace) {
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
}

}  // namespace glovebox

#include "tools/glovebox/connection.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/escape.h"
#include "base/keepalive.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tools/glovebox/repository_argument.h"
#include "tools/glovebox/stubs.h"

namespace glovebox {
namespace {

// Above any message that the daemon sends; a bound all the same.
constexpr int kMessageBytesMax = 64 << 20;

absl::Status WithRemedy(absl::StatusCode code, absl::string_view message, std::string remedy) {
  return DetailedError(code, message, {"", {{"remedy", std::move(remedy)}}});
}

std::string HowToStart(const std::string& path) {
  return absl::StrCat("start the daemon: gloveboxd --state-dir /var/lib/glovebox --socket ", path,
                      "; or name the socket of a running one by --socket or GLOVEBOX_SOCKET");
}

absl::Status ExplainConnectError(int error, const std::string& path) {
  const std::string shown = EscapeForPeople(path);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return WithRemedy(absl::StatusCode::kUnavailable,
                        absl::StrCat("no daemon: there is no socket ", shown), HowToStart(path));
    case ECONNREFUSED:
      return WithRemedy(absl::StatusCode::kUnavailable,
                        absl::StrCat("no daemon: nobody listens on ", shown), HowToStart(path));
    case EACCES:
    case EPERM:
      return WithRemedy(absl::StatusCode::kPermissionDenied,
                        absl::StrCat("permission denied on the socket ", shown),
                        "run as the socket's owner, or have the operator set the daemon's socket "
                        "group to one of yours");
    case ENOTSOCK:
      return WithRemedy(absl::StatusCode::kInvalidArgument, absl::StrCat(shown, " is not a socket"),
                        HowToStart(path));
    default:
      return WithRemedy(absl::StatusCode::kUnavailable,
                        absl::StrCat("connect to ", shown, ": ", std::strerror(error)),
                        HowToStart(path));
  }
}

}  // namespace

absl::Status ProbeSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path \"", EscapeForPeople(path, 200),
                                                   "\" must have 1 to ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket(AF_UNIX)");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN) {  // the queue of connections is full: somebody listens
    return absl::OkStatus();
  }
  return ExplainConnectError(errno, path);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(absl::string_view socket) {
  ASSIGN_OR_RETURN(std::string path, AbsolutePath(socket));
  RETURN_IF_ERROR(ProbeSocket(path));
  // gRPC's own lines about connections say nothing that Explain does not, and would be mixed into
  // stderr.
  (void)::setenv("GRPC_VERBOSITY", "NONE", /*replace=*/0);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // Despite its name, how long one attempt may take: a daemon on a busy host answers late.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  // A daemon that hangs, or a machine that was moved, says no farewell.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kClientPingEveryMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerWithinMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // a command may be silent for hours
  auto channel = grpc::CreateCustomChannel(absl::StrCat("unix:", path),
                                           grpc::InsecureChannelCredentials(), arguments);
  auto stubs = std::make_unique<Stubs>(
      Stubs{v1::SandboxService::NewStub(channel), v1::ExecService::NewStub(channel),
            v1::ChangeService::NewStub(channel), v1::SnapshotService::NewStub(channel),
            v1::NodeService::NewStub(channel), v1::FileService::NewStub(channel),
            v1::NetworkService::NewStub(channel)});
  return std::unique_ptr<Connection>(
      new Connection(std::move(path), std::move(channel), std::move(stubs)));
}

Connection::Connection(std::string socket, std::shared_ptr<grpc::Channel> channel,
                       std::unique_ptr<Stubs> stubs)
    : socket_(std::move(socket)), channel_(std::move(channel)), stubs_(std::move(stubs)) {}

Connection::~Connection() = default;

bool Connection::connected() const {
  return channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
}

bool Connection::HelpToConnect(absl::Duration time) {
  return channel_->WaitForConnected(absl::ToChronoTime(absl::Now() + time));
}

absl::Status FromRpc(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  std::string message = status.message();
  ErrorDetail detail;
  for (const auto& any : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest request;
    if (any.Is<google::rpc::ErrorInfo>() && any.UnpackTo(&info)) {
      detail.reason = info.reason();
      detail.metadata = {info.metadata().begin(), info.metadata().end()};
    } else if (any.Is<google::rpc::BadRequest>() && any.UnpackTo(&request)) {
      for (const auto& violation : request.field_violations()) {
        if (message.find(violation.description()) != std::string::npos) continue;
        absl::StrAppend(&message, "; ", violation.field(), ": ", violation.description());
      }
    }
  }
  if (message.empty()) message = "the daemon gave no message";
  return DetailedError(static_cast<absl::StatusCode>(status.code()), message, detail);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) rich.Clear();
  rich.set_code(status.error_code());
  rich.set_message(status.error_message());
  return FromRpc(rich);
}

absl::Status Explain(const Connection& connection, const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty()) {
    if (absl::Status probe = ProbeSocket(connection.socket()); !probe.ok()) return probe;
  }
  return FromGrpc(status);
}

}  // namespace glovebox

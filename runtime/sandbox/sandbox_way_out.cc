#include "sandbox/sandbox_way_out.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "policy/egress_rules.h"

namespace glovebox {
namespace {

// An init that lives answers within milliseconds; a loaded host may take long.
constexpr absl::Duration kSocketTimeout = absl::Seconds(20);
constexpr size_t kOwnPlaces = 5;  // names twice, two proxies, questions about clients
// Where the one socket for every port is bound, beside that of names: so it takes no further port
// from the sandbox's commands. What is connected to this port itself is for names.
constexpr std::pair<EgressRole, uint16_t> kEveryPort = {EgressRole::kTransparent, kNamesPort};

SocketKind KindOf(EgressRole role) {
  switch (role) {
    case EgressRole::kTransparent:
    case EgressRole::kDnsTcp:
      return SocketKind::kListen;
    case EgressRole::kHttpProxy:
    case EgressRole::kSocks5:
      return SocketKind::kListenLoopback;
    case EgressRole::kClientDiag:
      return SocketKind::kDiagOfClients;
    case EgressRole::kDnsUdp:
      break;
  }
  return SocketKind::kDatagrams;
}

bool IsInUse(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  if (!detail.has_value()) return false;
  const auto found = detail->metadata.find("errno");
  return found != detail->metadata.end() && found->second == absl::StrCat(EADDRINUSE);
}

absl::Status PortInUse(uint16_t port) {
  return DetailedError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("a command of the sandbox listens at port ", port,
                   ", where connections to the policy's hosts have to come: end it, or reach them "
                   "through the proxy at 127.0.0.1:",
                   kHttpProxyPort),
      {"PORT_IN_USE", {{"port", absl::StrCat(port)}}});
}

// Listeners stay, as connections may wait in them.
absl::Status TooManyPorts() {
  return DetailedError(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat("this policy and those that the sandbox had before name more ports than it can "
                   "have in its life (",
                   kEgressSocketsMax - kOwnPlaces, "); fork it: the child has those of its policy"),
      {"INVALID_FIELD", {{"field", "rules"}}});
}

// What it waits for may come after it has given up.
struct Asked {
  absl::Notification come;
  absl::StatusOr<UniqueFd> socket = absl::UnknownError("not come");
};

}  // namespace

std::vector<std::string> EgressRootsVariables() {
  std::vector<std::string> variables;
  // Of OpenSSL, curl, git, Python's requests, pip, node, cargo, the SDKs of AWS, deno.
  for (const char* name :
       {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "PIP_CERT",
        "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE", "DENO_CERT",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"}) {
    variables.push_back(absl::StrCat(name, "=", kEgressRootsFile));
  }
  return variables;
}

absl::StatusOr<SandboxWayOut::Made> SandboxWayOut::OpenMissing(const EgressPolicy& policy,
                                                               std::string* problem) {
  ASSIGN_OR_RETURN(const EgressRules rules, EgressRules::Compile(policy));
  Made made;
  made.opens_tls = rules.opens_tls();
  std::set<Place> wanted = {{EgressRole::kDnsUdp, kNamesPort},
                            {EgressRole::kDnsTcp, kNamesPort},
                            {EgressRole::kHttpProxy, kHttpProxyPort},
                            {EgressRole::kSocks5, kSocksPort},
                            {EgressRole::kClientDiag, 0}};
  const bool first = open_.empty();
  if (first && ports_ != nullptr) {
    wanted.insert(kEveryPort);
    RETURN_IF_ERROR(OpenPlaces(wanted, problem, &made));
    const absl::Status taken = TakeEveryPort(made);
    if (!taken.ok() && problem == nullptr) return taken;
    if (!taken.ok()) {
      *problem = std::string(taken.message());
      made.Forget(kEveryPort);  // it would have some of the connections to the port of names
    }
  }
  if (every_port_.valid()) return made;
  for (const uint16_t port : rules.ports()) {
    if (port != kNamesPort) wanted.insert({EgressRole::kTransparent, port});
  }
  wanted.erase(kEveryPort);
  std::erase_if(wanted, [&](const Place& place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return open_.contains(place) || made.places.contains(place);
  });
  if (open_.size() + made.places.size() + wanted.size() > kEgressSocketsMax) return TooManyPorts();
  RETURN_IF_ERROR(OpenPlaces(wanted, problem, &made));
  return made;
}

void SandboxWayOut::Made::Forget(const Place& place) {
  places.erase(place);
  std::erase_if(listeners, [&](const EgressListener& one) { return one.role == place.first; });
}

absl::Status SandboxWayOut::OpenPlaces(const std::set<Place>& places, std::string* problem,
                                       Made* made) const {
  std::vector<std::pair<Place, std::shared_ptr<Asked>>> asked;
  for (const Place& place : places) {
    asked.emplace_back(place, std::make_shared<Asked>());
    const std::shared_ptr<Asked> mine = asked.back().second;
    sockets_->OpenForDaemon(KindOf(place.first), place.second,
                            [mine](absl::StatusOr<UniqueFd> socket) {
                              mine->socket = std::move(socket);
                              mine->come.Notify();
                            });
  }
  const absl::Time until = absl::Now() + kSocketTimeout;
  for (const auto& [place, one] : asked) {
    if (!one->come.WaitForNotificationWithDeadline(until)) {
      return absl::DeadlineExceededError("the sandbox's init does not answer");
    }
    if (one->socket.ok()) {
      made->places.insert(place);
      made->listeners.push_back({place.first, *std::move(one->socket)});
      continue;
    }
    // Of an init before this one, or a kernel without: then that is not known.
    if (place.first == EgressRole::kClientDiag) {
      made->places.insert(place);
      continue;
    }
    absl::Status why =
        IsInUse(one->socket.status()) ? PortInUse(place.second) : one->socket.status();
    if (problem == nullptr) return why;
    *problem = std::string(why.message());
  }
  return absl::OkStatus();
}

absl::Status SandboxWayOut::TakeEveryPort(const Made& made) {
  int names = -1;
  int others = -1;
  for (const EgressListener& listener : made.listeners) {
    if (listener.role == EgressRole::kDnsTcp) names = listener.socket.get();
    if (listener.role == EgressRole::kTransparent) others = listener.socket.get();
  }
  if (names < 0 || others < 0) return PortInUse(kNamesPort);
  absl::StatusOr<UniqueFd> given = ports_->GiveEveryPort(names, others);
  if (!given.ok()) return Annotate(given.status(), "every port as the sandbox's way out");
  every_port_ = *std::move(given);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<SandboxWayOut>> SandboxWayOut::Open(
    EgressGateway* gateway, PortGiver* ports, std::shared_ptr<SandboxSockets> sockets,
    const EgressPolicy& policy, const std::string& owner, UniqueFd bytes,
    EgressGateway::TakeRecord take) {
  return OpenAgain(gateway, ports, std::move(sockets), policy, owner, std::move(bytes),
                   std::move(take), nullptr);
}

absl::StatusOr<std::shared_ptr<SandboxWayOut>> SandboxWayOut::OpenAgain(
    EgressGateway* gateway, PortGiver* ports, std::shared_ptr<SandboxSockets> sockets,
    const EgressPolicy& policy, const std::string& owner, UniqueFd bytes,
    EgressGateway::TakeRecord take, std::string* problem) {
  std::shared_ptr<SandboxWayOut> way(new SandboxWayOut(gateway, ports, std::move(sockets)));
  absl::MutexLock lock(&way->mutex_);
  ASSIGN_OR_RETURN(Made made, way->OpenMissing(policy, problem));
  ASSIGN_OR_RETURN(way->number_, gateway->Add(policy, owner, std::move(made.listeners),
                                              std::move(bytes), std::move(take)));
  way->open_ = std::move(made.places);
  way->opens_tls_ = made.opens_tls;
  return way;
}

SandboxWayOut::~SandboxWayOut() {
  absl::MutexLock lock(&mutex_);
  if (const uint64_t number = number_.load(); number != 0) gateway_->Remove(number);
}

absl::StatusOr<uint32_t> SandboxWayOut::Replace(const EgressPolicy& policy) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Made made, OpenMissing(policy, nullptr));
  if (!made.listeners.empty()) {
    RETURN_IF_ERROR(gateway_->Listen(number_.load(), std::move(made.listeners)));
    open_.merge(made.places);
  }
  ASSIGN_OR_RETURN(const uint32_t cut, gateway_->Replace(number_.load(), policy));
  opens_tls_ = made.opens_tls;
  return cut;
}

}  // namespace glovebox

#include "daemon/peer_registry.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr size_t kNameBytesMax = 253;  // of a host name; longer ones are no names

absl::StatusOr<uint64_t> CookieOf(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0) return cookie;
  return ErrnoError(errno, "getsockopt(SO_COOKIE)");
}

absl::Status Unknown(absl::string_view why) {
  return DetailedError(absl::StatusCode::kUnauthenticated,
                       absl::StrCat("it cannot be told who calls: ", why), {"CALLER_UNKNOWN", {}});
}

std::string PrincipalOf(const Peer& peer) { return absl::StrCat("uid:", peer.uid); }

absl::StatusOr<std::string> PrincipalOf(const grpc::AuthContext& context) {
  std::vector<std::string> names;
  for (const grpc::string_ref& name : context.GetPeerIdentity()) {
    names.emplace_back(name.data(), name.size());
  }
  return PrincipalOfCertificate(names);
}

}  // namespace

absl::StatusOr<std::string> PrincipalOfCertificate(const std::vector<std::string>& names) {
  if (names.empty()) return Unknown("the certificate has neither a SAN nor a CN");
  const std::string& name = names.front();
  const bool fits = !name.empty() && name.size() <= kNameBytesMax &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return c > ' ' && c < 0x7f && c != '"' && c != '\\';
                    });
  if (!fits) {
    return Unknown(absl::StrCat("the first name in the certificate is empty, over ", kNameBytesMax,
                                " bytes, or has other than printable ASCII"));
  }
  return absl::StrCat("cert:", name);
}

absl::Status PeerRegistry::Add(int fd, const Peer& peer, uint64_t connections_max) {
  ASSIGN_OR_RETURN(const uint64_t cookie, CookieOf(fd));
  absl::MutexLock lock(&mutex_);
  uint64_t open = 0;
  for (const auto& [number, entry] : peers_) {
    if (entry.peer.uid != peer.uid || number == fd) continue;
    const absl::StatusOr<uint64_t> now = CookieOf(number);
    open += now.ok() && *now == entry.cookie ? 1 : 0;
  }
  const absl::StatusOr<Caller> caller = WithRole(PrincipalOf(peer));
  if (!caller.ok()) return caller.status();
  if (!caller->admin && open >= connections_max) {
    return DetailedError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat(caller->principal, " has ", open, " connections already"),
        {"CLIENT_QUOTA", {{"quota", "connections_max"}, {"limit", absl::StrCat(connections_max)}}});
  }
  peers_[fd] = {cookie, peer};
  return absl::OkStatus();
}

absl::StatusOr<Caller> PeerRegistry::WithRole(std::string principal) const {
  const bool own = principal == "uid:0" || principal == absl::StrCat("uid:", policy_.own_uid);
  const bool admin = own || policy_.admins.contains(principal);
  if (!admin && policy_.owners.has_value() && !policy_.owners->contains(principal)) {
    return DetailedError(absl::StatusCode::kPermissionDenied,
                         absl::StrCat("the daemon's configuration (clients.owners, clients.admins) "
                                      "does not name ",
                                      principal),
                         {"CALLER_NOT_ALLOWED", {}});
  }
  Caller caller;
  caller.principal = std::move(principal);
  caller.admin = admin;
  return caller;
}

absl::StatusOr<Caller> PeerRegistry::Identify(const grpc::CallbackServerContext& context) const {
  const std::string endpoint = context.peer();
  absl::string_view number = endpoint;
  if (!absl::ConsumePrefix(&number, "fd:")) {
    const auto auth = context.auth_context();
    if (auth == nullptr || !auth->IsPeerAuthenticated()) return Unknown("no certificate");
    ASSIGN_OR_RETURN(std::string principal, PrincipalOf(*auth));
    ASSIGN_OR_RETURN(Caller caller, WithRole(std::move(principal)));
    caller.address = endpoint;
    return caller;
  }
  Peer peer;
  {
    absl::MutexLock lock(&mutex_);
    int fd = -1;
    const auto found = absl::SimpleAtoi(number, &fd) ? peers_.find(fd) : peers_.end();
    if (found == peers_.end()) return Unknown("the connection is not known");
    peer = found->second.peer;
  }
  ASSIGN_OR_RETURN(Caller caller, WithRole(PrincipalOf(peer)));
  caller.pid = peer.pid;
  return caller;
}

}  // namespace glovebox

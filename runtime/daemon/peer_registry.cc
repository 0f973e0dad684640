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

absl::Status TooMany(const char* quota, uint64_t limit, absl::string_view who) {
  return DetailedError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat(who, " ", limit, " connections, which is the most; close some"),
                       {"CLIENT_QUOTA", {{"quota", quota}, {"limit", absl::StrCat(limit)}}});
}

std::string PrincipalOf(const Peer& peer) { return absl::StrCat("uid:", peer.uid); }

}  // namespace

absl::StatusOr<std::string> PrincipalOfCertificate(absl::string_view name) {
  const bool fits = !name.empty() && name.size() <= kNameBytesMax &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return c > ' ' && c < 0x7f && c != '"' && c != '\\';
                    });
  if (!fits) {
    return Unknown(absl::StrCat("the first name in the certificate (SAN, else CN) is empty, over ",
                                kNameBytesMax, " bytes, or has other than printable ASCII"));
  }
  return absl::StrCat("cert:", name);
}

template <typename Predicate>
bool PeerRegistry::IsFull(uint64_t limit, Predicate matches) const {
  const auto count = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return static_cast<uint64_t>(std::count_if(entries_.begin(), entries_.end(), [&](auto& pair) {
      return pair.second.counted && matches(pair.second);
    }));
  };
  if (count() < limit) return false;
  std::vector<int> closed;
  for (const auto& [fd, entry] : entries_) {
    if (!matches(entry)) continue;
    const absl::StatusOr<uint64_t> now = CookieOf(fd);
    if (!now.ok() || *now != entry.cookie) closed.push_back(fd);
  }
  for (const int fd : closed) entries_.erase(fd);
  return count() >= limit;
}

absl::Status PeerRegistry::CheckAll() const {
  if (!IsFull(limits_.all, [](const Entry&) { return true; })) return absl::OkStatus();
  return TooMany("limits.connections_max", limits_.all, "all clients together have");
}

absl::Status PeerRegistry::CheckClient(const std::string& principal) const {
  if (!IsFull(limits_.of_client, [&](const Entry& e) { return e.principal == principal; })) {
    return absl::OkStatus();
  }
  return TooMany("connections_max", limits_.of_client, absl::StrCat(principal, " has"));
}

absl::Status PeerRegistry::Add(int fd, const Peer& peer) {
  ASSIGN_OR_RETURN(const uint64_t cookie, CookieOf(fd));
  ASSIGN_OR_RETURN(const Caller caller, WithRole(PrincipalOf(peer)));
  absl::MutexLock lock(&mutex_);
  entries_.erase(fd);  // of a connection before
  if (!caller.admin) {
    RETURN_IF_ERROR(CheckClient(caller.principal));
    RETURN_IF_ERROR(CheckAll());
  }
  entries_[fd] = {cookie, caller.principal, !caller.admin, peer.pid, std::nullopt, ""};
  return absl::OkStatus();
}

absl::Status PeerRegistry::AddTcp(int fd, const TcpEndpoint& endpoint,
                                  std::string certificate_name) {
  ASSIGN_OR_RETURN(const uint64_t cookie, CookieOf(fd));
  absl::MutexLock lock(&mutex_);
  entries_.erase(fd);  // of a connection before
  const std::string network = endpoint.Network();
  const auto is_stranger = [](const Entry& e) { return e.principal.empty(); };
  if (IsFull(limits_.of_client,
             [&](const Entry& e) { return is_stranger(e) && e.endpoint->Network() == network; })) {
    return TooMany("connections_max", limits_.of_client,
                   absl::StrCat("without a call as yet, ", network, " has"));
  }
  if (IsFull(limits_.strangers, is_stranger)) {
    return TooMany("limits.connections_max", limits_.strangers, "those without a call as yet are");
  }
  RETURN_IF_ERROR(CheckAll());
  entries_[fd] = {cookie, "", true, 0, endpoint, std::move(certificate_name)};
  return absl::OkStatus();
}

absl::Status PeerRegistry::Claim(int fd, uint64_t cookie, const Caller& caller) const {
  absl::MutexLock lock(&mutex_);
  const auto find = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> Entry* {
    const auto found = entries_.find(fd);
    return found == entries_.end() || found->second.cookie != cookie ? nullptr : &found->second;
  };
  if (const Entry* before = find(); before != nullptr && !before->principal.empty()) {
    return absl::OkStatus();
  }
  if (!caller.admin) RETURN_IF_ERROR(CheckClient(caller.principal));
  Entry* const entry = find();  // the check forgets closed ones
  if (entry == nullptr) return Unknown("the connection is closed");
  entry->principal = caller.principal;
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
  int fd = -1;
  if (!absl::ConsumePrefix(&number, "fd:") || !absl::SimpleAtoi(number, &fd)) {
    return Unknown("an endpoint of another form");
  }
  Entry entry;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(fd);
    if (found == entries_.end()) return Unknown("the connection is not known");
    entry = found->second;
  }
  if (!entry.endpoint.has_value()) {
    ASSIGN_OR_RETURN(Caller caller, WithRole(std::move(entry.principal)));
    caller.pid = entry.pid;
    return caller;
  }
  ASSIGN_OR_RETURN(std::string principal, PrincipalOfCertificate(entry.certificate_name));
  ASSIGN_OR_RETURN(Caller caller, WithRole(std::move(principal)));
  RETURN_IF_ERROR(Claim(fd, entry.cookie, caller));
  caller.address = entry.endpoint->Uri();
  return caller;
}

}  // namespace glovebox

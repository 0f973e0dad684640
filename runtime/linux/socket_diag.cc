#include "linux/socket_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr uint32_t kLoopbackInterface = 1;  // of every network namespace
// What the kernel puts into one answer at most (netlink_dump).
constexpr size_t kAnswerBytesMax = 32 * 1024;

constexpr int kErrorsMax = 64;

int64_t Now() { return RealClock().MonotonicNanos(); }
int64_t DeadlineIn(int ms) { return Now() + int64_t{ms} * 1'000'000; }

// -1 for what is no socket.
int IntegerOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

absl::Status Unknown(absl::string_view why) {
  return DetailedError(
      absl::StatusCode::kUnavailable,
      absl::StrCat("what listens in the sandbox cannot be told now: ", why, "; try again"),
      {"PORTS_UNKNOWN", {}});
}

absl::Status Refused(int error) {
  if (error == ENOENT || error == EINVAL || error == EOPNOTSUPP) {
    return DetailedError(
        absl::StatusCode::kFailedPrecondition,
        "this host's kernel does not tell what listens: it has no inet_diag and tcp_diag",
        {"CAPABILITY_MISSING", {{"remedy", "modprobe tcp_diag"}}});
  }
  if (error == EBUSY) return Unknown("another question is being answered");
  return ErrnoError(error, "sock_diag");
}

// Reads a T at `at`; false when it is not there as a whole.
template <typename T>
bool ReadAt(absl::string_view bytes, size_t at, T* value) {
  if (bytes.size() < at || bytes.size() - at < sizeof *value) return false;
  std::memcpy(value, bytes.data() + at, sizeof *value);
  return true;
}

uint64_t CgroupId(absl::string_view attributes) {
  for (nlattr header{}; ReadAt(attributes, 0, &header);) {
    if (header.nla_len < sizeof header || header.nla_len > attributes.size()) return 0;
    uint64_t id = 0;
    if (header.nla_type == INET_DIAG_CGROUP_ID && header.nla_len == sizeof header + sizeof id) {
      (void)ReadAt(attributes, sizeof header, &id);  // it is so long
      return id;
    }
    attributes.remove_prefix(std::min<size_t>(attributes.size(), NLMSG_ALIGN(header.nla_len)));
  }
  return 0;
}

// nullopt: it does not listen on TCP of either family.
absl::StatusOr<std::optional<ListeningSocket>> ParseSocket(absl::string_view body) {
  inet_diag_msg message{};
  if (!ReadAt(body, 0, &message)) return absl::DataLossError("half a socket");
  if (message.idiag_state != TCP_LISTEN ||
      (message.idiag_family != AF_INET && message.idiag_family != AF_INET6)) {
    return std::nullopt;
  }
  char text[INET6_ADDRSTRLEN] = "";
  if (::inet_ntop(message.idiag_family, message.id.idiag_src, text, sizeof text) == nullptr) {
    return absl::DataLossError("no address");
  }
  return ListeningSocket{text, ntohs(message.id.idiag_sport), message.id.idiag_if,
                         message.idiag_inode, CgroupId(body.substr(sizeof message))};
}

struct Message {
  uint16_t type = 0;
  uint32_t sequence = 0;
  absl::string_view body;
};

// The first of `bytes`, which are not empty.
absl::StatusOr<Message> TakeMessage(absl::string_view* bytes) {
  nlmsghdr header{};
  if (!ReadAt(*bytes, 0, &header) || header.nlmsg_len < sizeof header ||
      header.nlmsg_len > bytes->size()) {
    return absl::DataLossError("half a message");
  }
  const Message message{header.nlmsg_type, header.nlmsg_seq,
                        bytes->substr(sizeof header, header.nlmsg_len - sizeof header)};
  bytes->remove_prefix(std::min<size_t>(bytes->size(), NLMSG_ALIGN(header.nlmsg_len)));
  return message;
}

bool IsLast(const Message& message) {
  return message.type == NLMSG_ERROR || message.type == NLMSG_DONE;
}

// Both begin with -errno, and what ends well with 0.
absl::StatusOr<int> ErrorOf(const Message& message) {
  int32_t error = 0;
  if (!ReadAt(message.body, 0, &error) && message.type == NLMSG_ERROR) {
    return absl::DataLossError("half an error");
  }
  return error < 0 && error >= -4095 ? -error : 0;
}

SocketEnd EndOf(uint8_t family, const uint32_t (&address)[4], uint16_t port) {
  SocketEnd end;
  end.is_v6 = family == AF_INET6;
  end.port = ntohs(port);
  std::memcpy(end.address.data(), address, end.is_v6 ? sizeof address : sizeof address[0]);
  if (end.is_v6 && IN6_IS_ADDR_V4MAPPED(reinterpret_cast<const in6_addr*>(&address))) {
    end.is_v6 = false;
    end.address = {};
    std::memcpy(end.address.data(), &address[3], sizeof address[3]);
  }
  return end;
}

void PutEnd(const SocketEnd& end, uint32_t (&address)[4], uint16_t* port) {
  std::memcpy(address, end.address.data(), end.is_v6 ? sizeof address : sizeof address[0]);
  *port = htons(end.port);
}

// An unconnected datagram socket is at every address, and speaks with nobody.
bool IsClient(const ClientAnswer& answer, SocketProtocol protocol, const SocketEnd& client,
              const SocketEnd& server) {
  if (protocol == SocketProtocol::kUdp) return answer.own.port == client.port;
  return answer.own == client && answer.other == server;
}

}  // namespace

struct SocketDiag::Question {
  nlmsghdr header{};
  inet_diag_req_v2 body{};
};

absl::StatusOr<DiagAnswer> ParseDiagAnswer(absl::string_view bytes, uint32_t sequence) {
  DiagAnswer answer;
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const Message message, TakeMessage(&bytes));
    if (message.sequence != sequence) continue;
    if (IsLast(message)) {
      ASSIGN_OR_RETURN(answer.error, ErrorOf(message));
      answer.done = true;
      return answer;
    }
    if (message.type != SOCK_DIAG_BY_FAMILY) continue;
    ASSIGN_OR_RETURN(std::optional<ListeningSocket> socket, ParseSocket(message.body));
    if (socket.has_value()) answer.sockets.push_back(*std::move(socket));
  }
  return answer;
}

absl::StatusOr<std::optional<ClientAnswer>> ParseClientAnswer(absl::string_view bytes,
                                                              uint32_t sequence) {
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const Message message, TakeMessage(&bytes));
    if (message.sequence != sequence) continue;
    ClientAnswer answer;
    if (IsLast(message)) {
      ASSIGN_OR_RETURN(answer.error, ErrorOf(message));
      return answer;
    }
    if (message.type != SOCK_DIAG_BY_FAMILY) continue;
    inet_diag_msg socket{};
    if (!ReadAt(message.body, 0, &socket)) return absl::DataLossError("half a socket");
    answer.found = socket.idiag_state != TCP_LISTEN;
    answer.own = EndOf(socket.idiag_family, socket.id.idiag_src, socket.id.idiag_sport);
    answer.other = EndOf(socket.idiag_family, socket.id.idiag_dst, socket.id.idiag_dport);
    answer.cgroup_id = CgroupId(message.body.substr(sizeof socket));
    return answer;
  }
  return std::nullopt;
}

absl::StatusOr<SocketDiag> SocketDiag::Adopt(UniqueFd fd) {
  if (IntegerOption(fd.get(), SO_DOMAIN) != AF_NETLINK ||
      IntegerOption(fd.get(), SO_PROTOCOL) != NETLINK_SOCK_DIAG) {
    return absl::DataLossError("a descriptor that is no socket for questions about sockets");
  }
  SocketDiag diag(std::move(fd));
  // Answers to who had the socket before are not taken for ours.
  if (::getrandom(&diag.sequence_, sizeof diag.sequence_, 0) != sizeof diag.sequence_) {
    return ErrnoError(errno, "getrandom");
  }
  return diag;
}

// "": nothing is there.
absl::StatusOr<std::string> SocketDiag::Receive() const {
  std::string bytes(kAnswerBytesMax, '\0');
  sockaddr_nl from{};
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0 && errno == EAGAIN) return std::string();
  if (size < 0) return Unknown(absl::StrCat("recvmsg: ", std::strerror(errno)));
  if (size == 0 || from.nl_pid != 0 || (message.msg_flags & MSG_TRUNC) != 0) {
    return Unknown("an answer that is none");
  }
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

// A list that was broken off is gone on with by each reading, and none can be begun before its end.
absl::Status SocketDiag::Drain(int64_t deadline_ns) const {
  for (int errors = 0;;) {
    const absl::StatusOr<std::string> bytes = Receive();
    if (bytes.ok() && bytes->empty()) return absl::OkStatus();
    if (!bytes.ok() && ++errors > kErrorsMax) return bytes.status();
    if (Now() > deadline_ns) return Unknown("an earlier answer is endless");
  }
}

absl::Status SocketDiag::Ask(Question question) {
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags |= NLM_F_REQUEST;
  question.header.nlmsg_seq = ++sequence_;
  if (question.body.sdiag_protocol == 0) question.body.sdiag_protocol = IPPROTO_TCP;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  // Who shares the socket may have connected it to somebody else.
  const ssize_t sent = ::sendto(fd_.get(), &question, sizeof question, MSG_DONTWAIT | MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  return sent == sizeof question ? absl::OkStatus()
                                 : Unknown(absl::StrCat("sendto: ", std::strerror(errno)));
}

absl::StatusOr<std::optional<ListeningSocket>> SocketDiag::FindAt(int family, uint16_t port,
                                                                  int64_t deadline_ns) {
  Question question;
  question.body.sdiag_family = static_cast<uint8_t>(family);
  question.body.id.idiag_sport = htons(port);
  question.body.id.idiag_if = kLoopbackInterface;
  question.body.id.idiag_cookie[0] = question.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (family == AF_INET) {
    question.body.id.idiag_src[0] = htonl(INADDR_LOOPBACK);
  } else {
    question.body.id.idiag_src[3] = htonl(1);
  }
  RETURN_IF_ERROR(Ask(question));
  for (;;) {
    ASSIGN_OR_RETURN(const std::string bytes, Receive());
    if (bytes.empty()) return Unknown("the answer got lost");
    const absl::StatusOr<DiagAnswer> answer = ParseDiagAnswer(bytes, sequence_);
    if (!answer.ok()) return Unknown(answer.status().message());
    if (answer->error == ENOENT) return std::nullopt;
    if (answer->error != 0) return Refused(answer->error);
    if (!answer->sockets.empty()) return answer->sockets.front();
    if (Now() > deadline_ns) return Unknown("others ask without end");
  }
}

absl::StatusOr<std::optional<ListeningSocket>> SocketDiag::Find(uint16_t port) {
  const int64_t deadline_ns = DeadlineIn(kFoundWithinMs);
  RETURN_IF_ERROR(Drain(deadline_ns));
  ASSIGN_OR_RETURN(std::optional<ListeningSocket> found, FindAt(AF_INET, port, deadline_ns));
  if (found.has_value()) return found;
  return FindAt(AF_INET6, port, deadline_ns);
}

absl::StatusOr<uint64_t> SocketDiag::CgroupOfClient(SocketProtocol protocol,
                                                    const SocketEnd& client,
                                                    const SocketEnd& server) {
  Question question;
  question.body.sdiag_family = client.is_v6 ? AF_INET6 : AF_INET;
  question.body.sdiag_protocol = static_cast<uint8_t>(protocol);
  inet_diag_sockid& id = question.body.id;
  id.idiag_if = kLoopbackInterface;
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  // udp_diag takes the two the other way round (udp_dump_one).
  const bool udp = protocol == SocketProtocol::kUdp;
  PutEnd(udp ? server : client, id.idiag_src, &id.idiag_sport);
  PutEnd(udp ? client : server, id.idiag_dst, &id.idiag_dport);
  RETURN_IF_ERROR(Ask(question));
  for (int messages = 0; messages < kClientAnswersMax; ++messages) {
    ASSIGN_OR_RETURN(const std::string bytes, Receive());
    if (bytes.empty()) return Unknown("the answer got lost");
    const auto answer = ParseClientAnswer(bytes, sequence_);
    if (!answer.ok()) return Unknown(answer.status().message());
    if (!answer->has_value()) continue;
    if ((*answer)->error == ENOENT) return 0;
    if ((*answer)->error != 0) return Refused((*answer)->error);
    // With the connection gone the kernel finds who listens where the client was, if anybody does.
    if (!(*answer)->found) return 0;
    if (!IsClient(**answer, protocol, client, server)) return Unknown("an answer about another");
    return (*answer)->cgroup_id;
  }
  return Unknown("others ask without end");
}

absl::Status SocketDiag::ListFamily(int family, uint32_t states, size_t sockets_max,
                                    int64_t deadline_ns, SocketListing* listing) {
  Question question;
  question.header.nlmsg_flags = NLM_F_DUMP;
  question.body.sdiag_family = static_cast<uint8_t>(family);
  question.body.idiag_states = states;
  RETURN_IF_ERROR(Ask(question));
  for (;;) {
    ASSIGN_OR_RETURN(const std::string bytes, Receive());
    if (bytes.empty()) return Unknown("the answer got lost");
    absl::StatusOr<DiagAnswer> answer = ParseDiagAnswer(bytes, sequence_);
    if (!answer.ok()) return Unknown(answer.status().message());
    if (answer->error != 0) return Refused(answer->error);
    for (ListeningSocket& socket : answer->sockets) {
      if (listing->sockets.size() < sockets_max) {
        listing->sockets.push_back(std::move(socket));
      } else {
        ++listing->omitted;
      }
    }
    if (answer->done) return absl::OkStatus();
    if (Now() > deadline_ns) {
      return Unknown("there is more than can be listed in the time there is");
    }
  }
}

absl::StatusOr<SocketListing> SocketDiag::List(size_t sockets_max) {
  const int64_t deadline_ns = DeadlineIn(kListedWithinMs);
  RETURN_IF_ERROR(Drain(deadline_ns));
  SocketListing listing;
  for (const int family : {AF_INET, AF_INET6}) {
    RETURN_IF_ERROR(ListFamily(family, 1u << TCP_LISTEN, sockets_max, deadline_ns, &listing));
  }
  return listing;
}

absl::Status SocketDiag::Check() {
  const int64_t deadline_ns = DeadlineIn(kFoundWithinMs);
  RETURN_IF_ERROR(Drain(deadline_ns));
  SocketListing none;
  return ListFamily(AF_INET, 0, 0, deadline_ns, &none);
}

}  // namespace glovebox

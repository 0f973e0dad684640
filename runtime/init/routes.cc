#include "init/routes.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "init/report.h"
#include "linux/raw_syscalls.h"

namespace glovebox {
namespace {

constexpr SetupStep kStep = SetupStep::kRouteOut;
constexpr uint32_t kLoopbackIndex = 1;  // the first interface of every network namespace

// rtnetlink(7); each part is aligned as NLMSG_ALIGN and RTA_ALIGN say.
struct RouteRequest {
  nlmsghdr header;
  rtmsg route;
  rtattr attribute;
  uint32_t interface_index;
};
static_assert(sizeof(RouteRequest) == NLMSG_LENGTH(sizeof(rtmsg)) + RTA_LENGTH(sizeof(uint32_t)));

struct AddressRequest {
  nlmsghdr header;
  ifaddrmsg address;
  rtattr attribute;
  uint8_t ipv4[4];
};
static_assert(sizeof(AddressRequest) ==
              NLMSG_LENGTH(sizeof(ifaddrmsg)) + RTA_LENGTH(sizeof(uint32_t)));

struct Answer {
  nlmsghdr header;
  nlmsgerr error;
};

// 0 or -errno.
template <typename Request>
long Ask(int fd, uint16_t type, Request* request) {
  request->header.nlmsg_len = sizeof(*request);
  request->header.nlmsg_type = type;
  request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  long sent = raw::Call(__NR_sendto, fd, request, sizeof(*request), 0, nullptr, 0);
  if (sent < 0) return sent;
  Answer answer{};
  // More of it is the request that it answers.
  long got = raw::Call(__NR_recvfrom, fd, &answer, sizeof(answer), 0, nullptr, nullptr);
  if (got < 0) return got;
  const bool whole = got == sizeof(answer) && answer.header.nlmsg_type == NLMSG_ERROR;
  return whole ? answer.error.error : -EBADMSG;
}

long AddLocalDefault(int fd, uint8_t family) {
  RouteRequest request{};
  request.route.rtm_family = family;
  request.route.rtm_table = RT_TABLE_LOCAL;
  request.route.rtm_protocol = RTPROT_BOOT;
  request.route.rtm_scope = RT_SCOPE_HOST;
  request.route.rtm_type = RTN_LOCAL;
  request.attribute = {RTA_LENGTH(sizeof(request.interface_index)), RTA_OIF};
  request.interface_index = kLoopbackIndex;
  return Ask(fd, RTM_NEWROUTE, &request);
}

// getaddrinfo(3) with AI_ADDRCONFIG finds no name of a family of which there is no address but that
// of loopback. This one is nobody's (RFC 7600).
long AddDummyAddress(int fd) {
  AddressRequest request{};
  request.address.ifa_family = AF_INET;
  request.address.ifa_prefixlen = 32;
  request.address.ifa_index = kLoopbackIndex;
  request.attribute = {RTA_LENGTH(sizeof(request.ipv4)), IFA_LOCAL};
  request.ipv4[0] = 192;
  request.ipv4[3] = 8;
  return Ask(fd, RTM_NEWADDR, &request);
}

// Of a host that was started without IPv6, or with it turned off for every interface.
bool IsWithoutIpv6(long error) {
  return error == -EOPNOTSUPP || error == -EAFNOSUPPORT || error == -EACCES;
}

}  // namespace

void MakeEveryAddressLocal() {
  UniqueFd fd(static_cast<int>(
      Require(raw::Call(__NR_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), kStep,
              "socket")));
  Require(AddDummyAddress(fd.get()), kStep, "address");
  Require(AddLocalDefault(fd.get(), AF_INET), kStep, "IPv4");
  long added = AddLocalDefault(fd.get(), AF_INET6);
  if (!IsWithoutIpv6(added)) Require(added, kStep, "IPv6");
}

}  // namespace glovebox

// SR-5, SR-7, SR-14: what a socket could reach.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/escape/probes/probe.h"

namespace {

int Socket(int family, int type, int protocol) {
  return socket(family, type | SOCK_CLOEXEC, protocol);
}

void RawSockets() {
  Attempt("icmp", Socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  Attempt("raw", Socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
  Attempt("icmpv6", Socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  const int fd = Socket(AF_INET, SOCK_STREAM, 0);
  Control(fd >= 0, "tcp");
}

void PacketSockets() {
  Attempt("packet", Socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)));
  Attempt("packet dgram", Socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)));
}

void Families() {
  for (int family = 0; family < 48; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK)
      continue;
    for (int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_RAW}) {
      const int fd = Socket(family, type, 0);
      if (fd < 0) continue;
      char name[48];
      snprintf(name, sizeof(name), "family %d type %d", family, type);
      Escaped(name);
      close(fd);
    }
  }
  Control(Socket(AF_UNIX, SOCK_STREAM, 0) >= 0, "unix");
}

void Crypto() {
  Attempt("AF_ALG", Socket(AF_ALG, SOCK_SEQPACKET, 0));
  Attempt("AF_VSOCK", Socket(AF_VSOCK, SOCK_STREAM, 0));
}

void NetlinkFamilies() {
  for (int protocol = 1; protocol < 32; ++protocol) {
    const int fd = Socket(AF_NETLINK, SOCK_RAW, protocol);
    if (fd < 0) continue;
    char name[32];
    snprintf(name, sizeof(name), "netlink %d", protocol);
    Escaped(name);
    close(fd);
  }
  Control(Socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE) >= 0, "netlink route");
}

void InterfaceAddress() {
  const int fd = Socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
  struct {
    nlmsghdr header;
    ifaddrmsg address;
    rtattr local_header;
    in_addr local;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_NEWADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  request.address.ifa_family = AF_INET;
  request.address.ifa_prefixlen = 32;
  request.address.ifa_index = 1;
  request.local_header = {RTA_LENGTH(sizeof(in_addr)), IFA_LOCAL};
  request.local.s_addr = htonl(0x0a090807);
  Control(send(fd, &request, sizeof(request), 0) == static_cast<ssize_t>(sizeof(request)), "send");
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[256];
  } answer{};
  Control(recv(fd, &answer, sizeof(answer), 0) > 0, "an answer");
  errno = -answer.error.error;
  Attempt("RTM_NEWADDR", answer.error.error == 0 ? 0 : -1);
}

void Interfaces() {
  const int fd = Socket(AF_INET, SOCK_DGRAM, 0);
  ifreq request{};
  memcpy(request.ifr_name, "lo", 3);
  Control(ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0, "lo is up");
  request.ifr_flags = static_cast<short>(request.ifr_flags & ~IFF_UP);
  Attempt("SIOCSIFFLAGS", ioctl(fd, SIOCSIFFLAGS, &request));
  char name[IF_NAMESIZE];
  for (unsigned index = 2; index < 64; ++index) {
    if (if_indextoname(index, name) != nullptr) Escaped(name);
  }
}

void Connect(const char* address, int port, int type) {
  const int fd = Socket(AF_INET, type | SOCK_NONBLOCK, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address, &to.sin_addr);
  const int result = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to));
  // On its way is as bad as there.
  Attempt(address, result < 0 && errno == EINPROGRESS ? 0 : result);
  close(fd);
}

void Outside() {
  for (const char* address :
       {"169.254.169.254", "8.8.8.8", "10.0.0.1", "192.168.0.1", "172.17.0.1"}) {
    Connect(address, 80, SOCK_STREAM);
    Connect(address, 53, SOCK_DGRAM);
  }
}

// A service of the host on its 127.0.0.1; ours is another one.
void HostLoopback() {
  const char* port = Argument("port");
  Control(port != nullptr, "argument port");
  const int fd = Socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port != nullptr ? atoi(port) : 1));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Attempt("connect", connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)));
}

void AbstractSocket() {
  const char* name = Argument("abstract");
  Control(name != nullptr, "argument abstract");
  const int fd = Socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  strncpy(to.sun_path + 1, name != nullptr ? name : "none", sizeof(to.sun_path) - 2);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + strlen(to.sun_path + 1));
  Attempt("connect", connect(fd, reinterpret_cast<sockaddr*>(&to), size));
}

void HostSockets() {
  for (const char* path :
       {"/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock",
        "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/glovebox/glovebox.sock",
        "/dev/log", Argument("socket")}) {
    if (path == nullptr) continue;
    const int fd = Socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
    Attempt(path, connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)));
    close(fd);
  }
}

}  // namespace

const Probe kNetworkProbes[] = {
    {"raw_sockets", "SR-5", RawSockets, "CCCEC"},
    {"packet_sockets", "SR-5", PacketSockets, "CCCEC"},
    {"socket_families", "SR-7", Families, "C-CEC"},
    {"crypto_and_vsock", "SR-7", Crypto, "C-C-C"},
    {"netlink_families", "SR-7", NetlinkFamilies, "CECEC"},
    {"interface_address", "SR-5", InterfaceAddress, "CCCEC"},
    {"interfaces", "SR-5", Interfaces, "CCCEC"},
    {"outside_addresses", "SR-5", Outside, "CCC-C"},
    {"host_loopback", "SR-5", HostLoopback, "CCCEC"},
    {"abstract_socket", "SR-14", AbstractSocket, "CCCEC"},
    {"host_sockets", "SR-24", HostSockets, "CCCEC"},
    {},
};

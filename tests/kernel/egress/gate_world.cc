#include "tests/kernel/egress/gate_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr const char* kHost = "93.184.216.1";
constexpr const char* kGateway = "93.184.216.2";

// What a test cannot go on without.
void Must(bool holds, const char* what) {
  if (holds) return;
  perror(what);
  std::abort();
}

UniqueFd ThisSpace() { return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

void RunIp(const std::string& words) {
  Must(std::system(absl::StrCat("ip ", words).c_str()) == 0, words.c_str());
}

UniqueFd BindEverywhere(int type, uint16_t port) {
  UniqueFd fd(::socket(AF_INET6, type | SOCK_CLOEXEC, 0));
  const int off = 0;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  Must(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0, "V6ONLY");
  Must(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  return fd;
}

bool Readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, kPatienceMs) == 1;
}

}  // namespace

NetworkSpace::NetworkSpace() {
  std::thread([this] {
    Must(::unshare(CLONE_NEWNET) == 0, "unshare");
    fd_ = ThisSpace();
  }).join();
  Must(fd_.valid(), "a namespace's descriptor");
}

void NetworkSpace::Inside(const std::function<void()>& function) const {
  std::thread([&] {
    Must(::setns(fd_.get(), CLONE_NEWNET) == 0, "setns");
    function();
  }).join();
}

void NetworkSpace::Ip(const std::string& words) const {
  Inside([&] { RunIp(words); });
}

void NetworkSpace::MakeAllAddressesLocal() const {
  Ip("link set lo up");
  Ip("route add local default dev lo");
}

UniqueFd NetworkSpace::Listen(uint16_t port) const {
  UniqueFd fd;
  Inside([&] {
    fd = BindEverywhere(SOCK_STREAM, port);
    Must(::listen(fd.get(), 64) == 0, "listen");
  });
  return fd;
}

UniqueFd NetworkSpace::BindUdp(uint16_t port) const {
  UniqueFd fd;
  Inside([&] { fd = BindEverywhere(SOCK_DGRAM, port); });
  return fd;
}

UniqueFd NetworkSpace::Connect(const std::string& address, uint16_t port) const {
  UniqueFd fd;
  Inside([&] {
    const bool is_v6 = address.find(':') != std::string::npos;
    fd.Reset(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    to6.sin6_port = htons(port);
    void* const bytes = is_v6 ? static_cast<void*>(&to6.sin6_addr) : &to.sin_addr;
    Must(::inet_pton(is_v6 ? AF_INET6 : AF_INET, address.c_str(), bytes) == 1, "inet_pton");
    const auto* const any =
        is_v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to);
    if (::connect(fd.get(), any, is_v6 ? sizeof to6 : sizeof to) != 0) fd.Reset();
  });
  return fd;
}

GateWorld::GateWorld() : end_(::eventfd(0, EFD_CLOEXEC)) {
  Must(::unshare(CLONE_NEWNET) == 0, "unshare");
  RunIp("link set lo up");
  RunIp("link add wan0 type veth peer name wan1");
  RunIp(absl::StrCat("link set wan1 netns /proc/", ::getpid(), "/fd/", internet_.fd()));
  internet_.MakeAllAddressesLocal();
  internet_.Ip("link set wan1 up");
  RunIp("link set wan0 up");
  RunIp(absl::StrCat("addr add ", kHost, "/24 dev wan0"));
  internet_.Ip(absl::StrCat("addr add ", kGateway, "/24 dev wan1"));
  // Except the host, which answers go to; the table of local addresses is looked at first.
  internet_.Ip(absl::StrCat("route add ", kHost, "/32 dev wan1 table local"));
  internet_.Ip(absl::StrCat("addr add ", kOrigin, "/32 dev lo"));
  RunIp(absl::StrCat("route replace default via ", kGateway));
  origin_ = internet_.Listen(22);
  echo_ = std::thread([this] { Echo(); });
}

GateWorld::~GateWorld() {
  const uint64_t one = 1;
  Must(::write(end_.get(), &one, sizeof one) == sizeof one, "eventfd");
  echo_.join();
}

void GateWorld::Echo() {
  std::vector<UniqueFd> clients;
  for (;;) {
    std::vector<pollfd> waiting = {{end_.get(), POLLIN, 0}, {origin_.get(), POLLIN, 0}};
    for (const UniqueFd& client : clients) waiting.push_back({client.get(), POLLIN, 0});
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[0].revents != 0) return;
    for (size_t i = 2; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      char bytes[4096];
      const ssize_t got = ::recv(waiting[i].fd, bytes, sizeof bytes, 0);
      const bool told =
          got > 0 && ::send(waiting[i].fd, bytes, static_cast<size_t>(got), MSG_NOSIGNAL) == got;
      if (!told) clients[i - 2].Reset();
    }
    clients.erase(std::remove_if(clients.begin(), clients.end(),
                                 [](const UniqueFd& client) { return !client.valid(); }),
                  clients.end());
    if (waiting[1].revents != 0) {
      clients.emplace_back(::accept4(origin_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  }
}

bool Echoes(const UniqueFd& client, const std::string& words) {
  if (!client.valid()) return false;
  const auto size = static_cast<ssize_t>(words.size());
  if (::send(client.get(), words.data(), words.size(), MSG_NOSIGNAL) != size) return false;
  std::string heard;
  while (heard.size() < words.size()) {
    char bytes[4096];
    const ssize_t got = Readable(client.get()) ? ::recv(client.get(), bytes, sizeof bytes, 0) : -1;
    if (got <= 0) return false;
    heard.append(bytes, static_cast<size_t>(got));
  }
  return heard == words;
}

GateSandbox::GateSandbox() {
  space.MakeAllAddressesLocal();
  listener = space.Listen(22);
}

std::vector<EgressListener> GateSandbox::Listeners() const {
  std::vector<EgressListener> listeners;
  listeners.push_back(
      {EgressRole::kTransparent, UniqueFd(::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0))});
  return listeners;
}

}  // namespace glovebox

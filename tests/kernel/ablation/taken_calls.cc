#include "tests/kernel/ablation/taken_calls.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "linux/seqpacket.h"

namespace glovebox {
namespace {

constexpr int kPatienceMs = 10'000;
constexpr size_t kTextBytesMax = 255;

void Must(bool works, const char* what) {
  if (!works) throw std::runtime_error(absl::StrCat(what, ": ", std::strerror(errno)));
}

UniqueFd Memory(int pid, int flags) {
  return UniqueFd(::open(absl::StrCat("/proc/", pid, "/mem").c_str(), flags | O_CLOEXEC));
}

std::vector<sock_filter> Program(const std::vector<uint32_t>& numbers) {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const uint32_t number : numbers) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return program;
}

}  // namespace

std::string TakenCall::Bytes(int index, size_t size) const {
  std::string bytes(size, '\0');
  const UniqueFd memory = Memory(pid_, O_RDONLY);
  const ssize_t got =
      ::pread(memory.get(), bytes.data(), size, static_cast<off_t>(argument(index)));
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

std::string TakenCall::Text(int index) const {
  return argument(index) == 0 ? "" : Bytes(index, kTextBytesMax).c_str();
}

void TakenCall::Put(int index, const std::string& bytes) const {
  const UniqueFd memory = Memory(pid_, O_RDWR);
  Must(::pwrite(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(argument(index))) ==
           static_cast<ssize_t>(bytes.size()),
       "write into the process");
}

std::string TakenCall::Path(int index) const {
  char target[4096];
  const std::string link = absl::StrCat("/proc/", pid_, "/fd/", argument(index));
  const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
  return std::string(target, size > 0 ? static_cast<size_t>(size) : 0);
}

void TakenCall::WriteTo(int index, const std::string& text) const {
  const std::string link = absl::StrCat("/proc/", pid_, "/fd/", argument(index));
  const UniqueFd file(::open(link.c_str(), O_WRONLY | O_CLOEXEC));
  Must(::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()),
       link.c_str());
}

TakenCalls::TakenCalls(std::vector<uint32_t> numbers, CallJudge judge)
    : numbers_(std::move(numbers)),
      judge_(std::move(judge)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  auto sockets = MakeSeqpacketPair();
  Must(sockets.ok() && wake_.valid(), "socketpair");
  ours_ = std::move(sockets->first);
  childs_ = std::move(sockets->second);
}

TakenCalls::~TakenCalls() {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // cannot fail: the counter is far from full
  if (thread_.joinable()) thread_.join();
}

void TakenCalls::InstallInChild() noexcept {
  std::vector<sock_filter> code = Program(numbers_);
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  const UniqueFd listener(static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
  Must(listener.valid() && SendPacket(childs_.get(), "listener", {listener.get()}).ok(),
       "seccomp listener");
}

void TakenCalls::Serve() {
  auto packet = ReceivePacket(ours_.get(), 16, 1, kPatienceMs);
  Must(packet.ok() && packet->fds.size() == 1, "the child's listener");
  listener_ = std::move(packet->fds[0]);
  thread_ = std::thread([this] { Run(); });
}

void TakenCalls::Run() {
  for (;;) {
    pollfd waiting[2] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    if ((waiting[0].revents & POLLIN) != 0 && AnswerOne()) continue;
    if ((waiting[0].revents & (POLLHUP | POLLERR)) != 0) return;  // nobody is left
  }
}

bool TakenCalls::AnswerOne() {
  seccomp_notif told{};
  // ENOENT: it was killed while it waited.
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &told) != 0) return errno == ENOENT;
  const std::optional<int64_t> value = judge_(TakenCall(static_cast<int>(told.pid), told.data));
  seccomp_notif_resp answer{};
  answer.id = told.id;
  if (!value.has_value()) {
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  } else if (*value < 0) {
    answer.error = static_cast<int>(*value);
  } else {
    answer.val = *value;
  }
  if (value.has_value()) ++taken_;
  return ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0 || errno == ENOENT;
}

}  // namespace glovebox

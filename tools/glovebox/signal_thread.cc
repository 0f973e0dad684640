#include "tools/glovebox/signal_thread.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

namespace glovebox {
namespace {

sigset_t WatchedSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal :
       {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT}) {
    ::sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

void BlockSignals() {
  const sigset_t set = WatchedSignals();
  (void)::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // fails only for a wrong first argument
}

SignalThread::SignalThread(std::function<void(int)> handler) : handler_(std::move(handler)) {
  const sigset_t set = WatchedSignals();
  signals_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  stop_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { Run(); });
}

SignalThread::~SignalThread() {
  (void)::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void SignalThread::Run() {
  while (true) {
    std::array<pollfd, 2> wait{{{signals_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) continue;
    if (wait[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
      handler_(static_cast<int>(info.ssi_signo));
    }
  }
}

}  // namespace glovebox

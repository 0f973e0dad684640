#include "tools/glovebox/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {

WindowSize CurrentWindowSize() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0) {
      return {size.ws_row, size.ws_col};
    }
  }
  return {};
}

bool ColourWanted(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  if (term == nullptr || absl::string_view(term) == "dumb") return false;
  return ::isatty(fd) == 1;
}

namespace {

// What a handler of signals and exit(3) can reach: static, because they get nothing else. Null
// while no terminal is raw.
constinit std::atomic<const termios*> settings_to_restore = nullptr;

constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// tcsetattr(3) is on signal-safety(7)'s list.
void RestoreAtDeath() {
  const termios* settings = settings_to_restore.exchange(nullptr);
  if (settings != nullptr) (void)::tcsetattr(STDIN_FILENO, TCSANOW, settings);
}

void OnFatalSignal(int signal) {
  RestoreAtDeath();
  (void)::raise(signal);  // its default action is back: SA_RESETHAND
}

void RestoreAlsoAtDeath(const termios* settings) {
  if (settings_to_restore.exchange(settings) != nullptr) return;
  for (const int signal : kFatalSignals) {
    struct sigaction action {};
    action.sa_handler = OnFatalSignal;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    (void)::sigaction(signal, &action, nullptr);  // fails only for a wrong number
  }
  (void)std::atexit(RestoreAtDeath);  // full: then the destructor alone restores
}

bool InForeground() {
  const pid_t group = ::tcgetpgrp(STDIN_FILENO);
  return group < 0 || group == ::getpgrp();
}

}  // namespace

RawTerminal::RawTerminal() {
  active_ = ::tcgetattr(STDIN_FILENO, &saved_) == 0;
  if (active_) RestoreAlsoAtDeath(&saved_);
  Again();
}

RawTerminal::~RawTerminal() {
  Restore();
  if (active_) settings_to_restore = nullptr;
}

void RawTerminal::Again() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // In the background it would stop us: SIGTTOU. SIGCONT comes again with the foreground.
  if (!active_ || !InForeground()) return;
  termios raw = saved_;
  ::cfmakeraw(&raw);
  (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);  // a terminal that is gone needs no mode
}

void RawTerminal::Restore() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!active_ || !InForeground()) return;
  (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
}

absl::Status WriteOut(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      return ErrnoError(errno, fd == STDERR_FILENO ? "write to stderr" : "write to stdout");
    }
    // A shell may have left the terminal non-blocking.
    pollfd wait{fd, POLLOUT, 0};
    (void)::poll(&wait, 1, -1);
  }
  return absl::OkStatus();
}

bool IsBrokenPipe(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = GetErrorDetail(status);
  if (!detail.has_value()) return false;
  const auto error = detail->metadata.find("errno");
  return error != detail->metadata.end() && error->second == std::to_string(EPIPE);
}

}  // namespace glovebox

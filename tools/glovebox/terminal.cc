#include "tools/glovebox/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
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

RawTerminal::RawTerminal() {
  active_ = ::tcgetattr(STDIN_FILENO, &saved_) == 0;
  Again();
}

RawTerminal::~RawTerminal() { Restore(); }

void RawTerminal::Again() {
  if (!active_) return;
  termios raw = saved_;
  ::cfmakeraw(&raw);
  (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);  // a terminal that is gone needs no mode
}

void RawTerminal::Restore() {
  if (!active_) return;
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

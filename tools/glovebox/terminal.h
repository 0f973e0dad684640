// The terminal in front of which the program runs.
#ifndef GLOVEBOX_TOOLS_TERMINAL_H_
#define GLOVEBOX_TOOLS_TERMINAL_H_

#include <termios.h>

#include <cstdint>
#include <mutex>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

struct WindowSize {
  uint32_t rows = 24;
  uint32_t columns = 80;
};

// Of the first of stdin, stdout, stderr that is a terminal; 24 x 80 when none is.
WindowSize CurrentWindowSize();

// Colour and progress are for people: a terminal, TERM not "dumb", NO_COLOR not set (no-color.org).
bool ColourWanted(int fd);

// Makes the terminal on stdin raw while it lives; does nothing when stdin is none. The old settings
// come back with the destructor, with exit(3), and when a signal of the kind that a bug causes ends
// the process (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT). At most one at a time; thread-safe.
class RawTerminal {
 public:
  RawTerminal();
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  // After a stop and continue: the shell may have changed the settings. Nothing in the background.
  void Again();
  // Before a stop.
  void Restore();

 private:
  std::mutex mutex_;
  bool active_ = false;
  termios saved_{};
};

// Writes everything, also to a pipe or terminal that is non-blocking. Errors are those of write(2):
// a reader that went away is errno EPIPE.
absl::Status WriteOut(int fd, absl::string_view bytes);

// Whether `status` came of a reader that went away.
bool IsBrokenPipe(const absl::Status& status);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_TERMINAL_H_

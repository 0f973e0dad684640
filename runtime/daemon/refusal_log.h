// Refused connections in the log: whoever is refused may try as often as it likes.
#ifndef GLOVEBOX_DAEMON_REFUSAL_LOG_H_
#define GLOVEBOX_DAEMON_REFUSAL_LOG_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/logging.h"

namespace glovebox {

// One thread.
class RefusalLog {
 public:
  explicit RefusalLog(const Log* log) : log_(log) {}

  // At most a line a second of each `kind`, with how many it stands for. Kinds are few: words of
  // the caller's, never of a peer's.
  void Write(const std::string& kind, absl::string_view why, const LogFields& who);

 private:
  struct Kind {
    absl::Time logged = absl::InfinitePast();
    uint64_t unlogged = 0;
  };
  const Log* const log_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_REFUSAL_LOG_H_

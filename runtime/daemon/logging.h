// The daemon's log: one line per event on stderr, as text or as JSON.
#ifndef GLOVEBOX_DAEMON_LOGGING_H_
#define GLOVEBOX_DAEMON_LOGGING_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/config.h"

namespace spdlog {
class logger;
}

namespace glovebox {

using LogFields = std::vector<std::pair<std::string, std::string>>;

// One line, without its end. Every value may come from anybody: it is escaped (base/escape.h) and
// cut, so that a line stays a line. Pure.
std::string FormatLogLine(LogFormat format, LogLevel level, absl::Time time,
                          absl::string_view event, const LogFields& fields);

// Thread-safe.
class Log {
 public:
  Log(LogFormat format, LogLevel level);
  ~Log();

  bool IsOn(LogLevel level) const { return level >= level_; }
  // `event`: a constant sentence; what varies goes into fields.
  void Write(LogLevel level, absl::string_view event, const LogFields& fields = {}) const;

 private:
  const LogFormat format_;
  const LogLevel level_;
  const std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace glovebox

#endif  // GLOVEBOX_DAEMON_LOGGING_H_

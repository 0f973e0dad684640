#include "daemon/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/escape.h"

namespace glovebox {
namespace {

constexpr size_t kValueBytesMax = 1024;

// Bare when a reader cannot take it for two words.
std::string TextValue(absl::string_view value) {
  std::string escaped = EscapeForPeople(value, kValueBytesMax);
  const bool bare = !escaped.empty() && escaped.find_first_of(" \"=") == std::string::npos;
  if (bare) return escaped;
  std::string quoted = "\"";
  for (char c : escaped) {
    if (c == '"') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace

std::string FormatLogLine(LogFormat format, LogLevel level, absl::Time time,
                          absl::string_view event, const LogFields& fields) {
  const std::string when = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
  if (format == LogFormat::kText) {
    std::string line = absl::StrCat(when, " ", absl::AsciiStrToUpper(LogLevelName(level)), " ",
                                    EscapeForPeople(event, kValueBytesMax));
    for (const auto& [key, value] : fields) absl::StrAppend(&line, " ", key, "=", TextValue(value));
    return line;
  }
  nlohmann::ordered_json line;
  line["time"] = when;
  line["level"] = LogLevelName(level);
  line["event"] = EscapeForPeople(event, kValueBytesMax);
  for (const auto& [key, value] : fields) line[key] = EscapeForPeople(value, kValueBytesMax);
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Log::Log(LogFormat format, LogLevel level)
    : format_(format),
      level_(level),
      logger_(std::make_shared<spdlog::logger>("gloveboxd",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_pattern("%v");
  logger_->set_level(spdlog::level::trace);  // Write decides
}

Log::~Log() = default;

void Log::Write(LogLevel level, absl::string_view event, const LogFields& fields) const {
  if (!IsOn(level)) return;
  const std::string line = FormatLogLine(format_, level, absl::Now(), event, fields);
  logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace glovebox

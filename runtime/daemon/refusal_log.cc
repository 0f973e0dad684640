#include "daemon/refusal_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace glovebox {

void RefusalLog::Write(const std::string& kind, absl::string_view why, const LogFields& who) {
  Kind& state = kinds_[kind];
  ++state.unlogged;
  const absl::Time now = absl::Now();
  if (now - state.logged < absl::Seconds(1)) return;
  state.logged = now;
  LogFields fields = who;
  fields.emplace_back("why", std::string(why));
  fields.emplace_back("refused", absl::StrCat(std::exchange(state.unlogged, 0)));
  log_->Write(LogLevel::kWarn, "connection refused", fields);
}

}  // namespace glovebox

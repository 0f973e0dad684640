#include "daemon/call_log.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace glovebox {

void CallLog::OnDecided(const RpcEnd& end) {
  if (AuditLog* audit = audit_.load(std::memory_order_acquire); audit != nullptr) audit->Write(end);
}

void CallLog::OnRpcEnd(const RpcEnd& end) {
  if (Metrics* metrics = metrics_.load(std::memory_order_acquire); metrics != nullptr) {
    // An unknown method's name is the client's: it would make a time series of its own each.
    RpcEnd counted = end;
    if (end.reason == "METHOD_NOT_SERVED") counted.method = "other";
    metrics->OnRpcEnd(counted);
  }
  // A client that floods is refused as often as it asks: no line for each.
  const bool failed =
      !end.status.ok() && !absl::IsCancelled(end.status) && end.reason != "CLIENT_RATE";
  const LogLevel level = failed ? LogLevel::kWarn : LogLevel::kDebug;
  if (!log_->IsOn(level)) return;
  LogFields fields = {{"method", end.method},
                      {"code", absl::StatusCodeToString(end.status.code())},
                      {"us", absl::StrCat(end.duration_ns / 1000)}};
  if (!end.caller.principal.empty()) fields.emplace_back("principal", end.caller.principal);
  if (!end.sandbox_id.empty()) fields.emplace_back("sandbox_id", end.sandbox_id);
  if (!end.exec_id.empty()) fields.emplace_back("exec_id", end.exec_id);
  if (!end.reason.empty()) fields.emplace_back("reason", end.reason);
  if (!end.status.ok()) fields.emplace_back("error", std::string(end.status.message()));
  log_->Write(level, failed ? "call failed" : "call ended", fields);
}

}  // namespace glovebox

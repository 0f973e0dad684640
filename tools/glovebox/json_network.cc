// JSON of what sandboxes may reach, and of their connections.
#include "tools/glovebox/json_shapes.h"

namespace glovebox {
namespace {

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json CredentialJson(const v1::CredentialUse& use) {
  return {{"secret_name", use.secret_name()},
          {"header", TextOrNull(use.header())},
          {"prefix", TextOrNull(use.prefix())},
          {"basic_user", TextOrNull(use.basic_user())}};
}

Json RuleJson(const v1::EgressRule& rule) {
  return {{"name", TextOrNull(rule.name())},
          {"host", rule.host()},
          {"ports", rule.ports()},
          {"scheme", EnumWord(v1::EgressScheme_Name(rule.scheme()), "EGRESS_SCHEME_")},
          {"methods", rule.methods()},
          {"paths", rule.paths()},
          {"credential", rule.has_credential() ? CredentialJson(rule.credential()) : nullptr}};
}

}  // namespace

Json EgressJson(const v1::EgressPolicy& policy) {
  Json rules = Json::array();
  for (const v1::EgressRule& rule : policy.rules()) rules.push_back(RuleJson(rule));
  const v1::EgressLimits& limits = policy.limits();
  return {{"mode", EnumWord(v1::EgressMode_Name(policy.mode()), "EGRESS_MODE_")},
          {"rules", std::move(rules)},
          {"presets", policy.presets()},
          {"limits",
           {{"connections_max", limits.connections_max()},
            {"connections_per_second", limits.connections_per_second()},
            {"sent_bytes_max",
             limits.has_sent_bytes_max() ? Json(limits.sent_bytes_max()) : Json(nullptr)},
            {"received_bytes_max",
             limits.has_received_bytes_max() ? Json(limits.received_bytes_max()) : Json(nullptr)}}},
          {"private_ranges_allowed", policy.private_ranges_allowed()}};
}

Json SecretJson(const v1::Secret& secret) {
  return {{"name", secret.name()},
          {"owner", TextOrNull(secret.owner())},
          {"create_time", TextOrNull(TimeText(secret.create_time()))}};
}

Json ConnectionJson(const v1::ConnectionRecord& record) {
  const bool denied = record.denial_reason() != v1::DENIAL_REASON_UNSPECIFIED;
  const std::string reason =
      EnumWord(v1::DenialReason_Name(record.denial_reason()), "DENIAL_REASON_");
  Json out;
  out["cursor"] = record.cursor();
  out["sandbox_id"] = record.sandbox_id();
  out["exec_id"] = TextOrNull(record.exec_id());
  out["state"] = EnumWord(v1::ConnectionState_Name(record.state()), "CONNECTION_STATE_");
  out["connection"] = record.connection();
  out["start_time"] = TextOrNull(TimeText(record.start_time()));
  PutBytes(out, "host", record.host());
  out["port"] = record.port();
  out["address"] = TextOrNull(record.address());
  out["rule"] = TextOrNull(record.rule());
  out["denial_reason"] = denied ? Json(reason) : Json(nullptr);
  out["method"] = TextOrNull(record.method());
  out["path"] = TextOrNull(record.path());
  out["sent_bytes"] = record.sent_bytes();
  out["received_bytes"] = record.received_bytes();
  out["duration_ms"] = nullptr;
  if (record.has_duration()) {
    out["duration_ms"] = record.duration().seconds() * 1000 + record.duration().nanos() / 1'000'000;
  }
  return out;
}

}  // namespace glovebox

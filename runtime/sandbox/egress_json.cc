#include "sandbox/egress_json.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"

namespace glovebox {
namespace {

using Json = nlohmann::json;

constexpr size_t kEtagDigits = 16;

absl::Status Wrong(absl::string_view what) {
  return DetailedError(absl::StatusCode::kDataLoss,
                       absl::StrCat("a recorded egress policy is damaged: ", what),
                       {"STATE_DB_DAMAGED", {}});
}

// Every member has to be there: one that misses would be a default that nobody chose.
template <typename Value>
absl::Status Take(const Json& json, const char* key, Value* value) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_number_unsigned()) return Wrong(key);
  *value = static_cast<Value>(it->get<uint64_t>());
  return static_cast<uint64_t>(*value) == it->get<uint64_t>() ? absl::OkStatus() : Wrong(key);
}

absl::Status Take(const Json& json, const char* key, std::string* value) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_string()) return Wrong(key);
  *value = it->get<std::string>();
  return absl::OkStatus();
}

absl::Status Take(const Json& json, const char* key, std::vector<std::string>* values) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_array()) return Wrong(key);
  for (const Json& item : *it) {
    if (!item.is_string()) return Wrong(key);
    values->push_back(item.get<std::string>());
  }
  return absl::OkStatus();
}

Json FormatRule(const EgressRule& rule) {
  Json json = {{"name", rule.name},       {"host", rule.host},
               {"ports", rule.ports},     {"scheme", static_cast<uint32_t>(rule.scheme)},
               {"methods", rule.methods}, {"paths", rule.paths}};
  if (rule.credential.has_value()) {
    json["credential"] = {{"secret_name", rule.credential->secret_name},
                          {"header", rule.credential->header},
                          {"basic_user", rule.credential->basic_user},
                          {"prefix", rule.credential->prefix}};
  }
  return json;
}

absl::StatusOr<EgressRule> ParseRule(const Json& json) {
  if (!json.is_object()) return Wrong("rules");
  EgressRule rule;
  RETURN_IF_ERROR(Take(json, "name", &rule.name));
  RETURN_IF_ERROR(Take(json, "host", &rule.host));
  const auto ports = json.find("ports");
  if (ports == json.end() || !ports->is_array()) return Wrong("ports");
  for (const Json& port : *ports) {
    if (!port.is_number_unsigned() || port.get<uint64_t>() > UINT16_MAX) return Wrong("ports");
    rule.ports.push_back(port.get<uint32_t>());
  }
  RETURN_IF_ERROR(Take(json, "scheme", &rule.scheme));
  RETURN_IF_ERROR(Take(json, "methods", &rule.methods));
  RETURN_IF_ERROR(Take(json, "paths", &rule.paths));
  if (const auto credential = json.find("credential"); credential != json.end()) {
    if (!credential->is_object()) return Wrong("credential");
    rule.credential.emplace();
    RETURN_IF_ERROR(Take(*credential, "secret_name", &rule.credential->secret_name));
    RETURN_IF_ERROR(Take(*credential, "header", &rule.credential->header));
    RETURN_IF_ERROR(Take(*credential, "basic_user", &rule.credential->basic_user));
    RETURN_IF_ERROR(Take(*credential, "prefix", &rule.credential->prefix));
  }
  return rule;
}

}  // namespace

std::string FormatEgress(const EgressPolicy& policy) {
  Json rules = Json::array();
  for (const EgressRule& rule : policy.rules) rules.push_back(FormatRule(rule));
  const EgressLimits& limits = policy.limits;
  const Json json = {{"mode", static_cast<uint32_t>(policy.mode)},
                     {"rules", std::move(rules)},
                     {"presets", policy.presets},
                     {"private_ranges_allowed", policy.private_ranges_allowed},
                     {"connections_max", limits.connections_max},
                     {"connections_per_second", limits.connections_per_second},
                     {"sent_bytes_max", limits.sent_bytes_max},
                     {"received_bytes_max", limits.received_bytes_max}};
  // What is not UTF-8 is no name, and is refused before it is recorded.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<EgressPolicy> ParseEgress(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("not a JSON object");
  EgressPolicy policy;
  RETURN_IF_ERROR(Take(json, "mode", &policy.mode));
  const auto rules = json.find("rules");
  if (rules == json.end() || !rules->is_array()) return Wrong("rules");
  for (const Json& item : *rules) {
    ASSIGN_OR_RETURN(EgressRule rule, ParseRule(item));
    policy.rules.push_back(std::move(rule));
  }
  RETURN_IF_ERROR(Take(json, "presets", &policy.presets));
  RETURN_IF_ERROR(Take(json, "private_ranges_allowed", &policy.private_ranges_allowed));
  EgressLimits& limits = policy.limits;
  RETURN_IF_ERROR(Take(json, "connections_max", &limits.connections_max));
  RETURN_IF_ERROR(Take(json, "connections_per_second", &limits.connections_per_second));
  RETURN_IF_ERROR(Take(json, "sent_bytes_max", &limits.sent_bytes_max));
  RETURN_IF_ERROR(Take(json, "received_bytes_max", &limits.received_bytes_max));
  return policy;
}

std::string EgressEtag(const EgressPolicy& policy) {
  Sha256 digest;
  digest.Update(FormatEgress(policy));
  return digest.FinishHex().substr(0, kEtagDigits);
}

}  // namespace glovebox

#include "egress/egress_policy_wire.h"

#include <iterator>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/wire_field.h"

namespace glovebox {
namespace {

// Of a policy.
constexpr uint32_t kMode = 1;
constexpr uint32_t kRules = 2;
constexpr uint32_t kPresets = 3;
constexpr uint32_t kLimits = 4;
constexpr uint32_t kRanges = 5;
constexpr uint32_t kSecrets = 6;
// Of a rule.
constexpr uint32_t kName = 1;
constexpr uint32_t kHost = 2;
constexpr uint32_t kPorts = 3;
constexpr uint32_t kScheme = 4;
constexpr uint32_t kMethods = 5;
constexpr uint32_t kPaths = 6;
constexpr uint32_t kCredential = 7;

absl::Status Wrong() { return absl::DataLossError("a policy that is not as it was written"); }

std::string EncodeCredential(const EgressCredential& credential) {
  WireWriter writer;
  writer.Bytes(1, credential.secret_name);
  writer.Bytes(2, credential.header);
  writer.Bytes(3, credential.basic_user);
  writer.Bytes(4, credential.prefix);
  return writer.Take();
}

std::string EncodeRule(const EgressRule& rule) {
  WireWriter writer;
  writer.Bytes(kName, rule.name);
  writer.Bytes(kHost, rule.host);
  for (const uint32_t port : rule.ports) writer.Number(kPorts, port);
  writer.Number(kScheme, static_cast<uint32_t>(rule.scheme));
  for (const std::string& method : rule.methods) writer.Bytes(kMethods, method);
  for (const std::string& path : rule.paths) writer.Bytes(kPaths, path);
  if (rule.credential) writer.Bytes(kCredential, EncodeCredential(*rule.credential));
  return writer.Take();
}

// What a writer outgrows is left behind as it is.
size_t RoomFor(const std::string& name, const SecretValue& value) {
  constexpr size_t kTagsAndLengths = 16;
  return name.size() + value.bytes().size() + kTagsAndLengths;
}

std::string EncodeSecret(const std::string& name, const SecretValue& value) {
  WireWriter writer;
  writer.Reserve(RoomFor(name, value));
  writer.Bytes(1, name);
  writer.Bytes(2, value.bytes());
  return writer.Take();
}

std::string EncodeLimits(const EgressLimits& limits) {
  WireWriter writer;
  writer.Number(1, limits.connections_max);
  writer.Number(2, limits.connections_per_second);
  writer.Number(3, limits.sent_bytes_max);
  writer.Number(4, limits.received_bytes_max);
  return writer.Take();
}

bool TakeText(const WireField& field, std::string* text) {
  if (field.is_bytes) *text = std::string(field.bytes);
  return field.is_bytes;
}

bool TakeNumber(const WireField& field, uint32_t* number) {
  *number = static_cast<uint32_t>(field.value);
  return field.is_varint && field.value <= UINT32_MAX;
}

bool Append(const WireField& field, std::vector<std::string>* texts) {
  return TakeText(field, &texts->emplace_back());
}

bool DecodeCredential(absl::string_view bytes, EgressCredential* credential) {
  std::string* const parts[] = {&credential->secret_name, &credential->header,
                                &credential->basic_user, &credential->prefix};
  WireReader reader(bytes);
  for (WireField field; reader.Next(&field);) {
    if (field.number > std::size(parts)) return false;
    if (!TakeText(field, parts[field.number - 1])) return false;
  }
  return !reader.malformed();
}

bool TakeRuleField(const WireField& field, EgressRule* rule) {
  uint32_t number = 0;
  switch (field.number) {
    case kName:
      return TakeText(field, &rule->name);
    case kHost:
      return TakeText(field, &rule->host);
    case kPorts:
      return TakeNumber(field, &rule->ports.emplace_back());
    case kScheme:
      if (!TakeNumber(field, &number)) return false;
      rule->scheme = static_cast<EgressScheme>(number);
      return true;
    case kMethods:
      return Append(field, &rule->methods);
    case kPaths:
      return Append(field, &rule->paths);
    case kCredential:
      return field.is_bytes && DecodeCredential(field.bytes, &rule->credential.emplace());
    default:
      return false;
  }
}

bool DecodeRule(absl::string_view bytes, EgressRule* rule) {
  WireReader reader(bytes);
  for (WireField field; reader.Next(&field);) {
    if (!TakeRuleField(field, rule)) return false;
  }
  return !reader.malformed();
}

bool DecodeLimits(absl::string_view bytes, EgressLimits* limits) {
  WireReader reader(bytes);
  for (WireField field; reader.Next(&field);) {
    if (!field.is_varint) return false;
    if (field.number == 1 && !TakeNumber(field, &limits->connections_max)) return false;
    if (field.number == 2 && !TakeNumber(field, &limits->connections_per_second)) return false;
    if (field.number == 3) limits->sent_bytes_max = field.value;
    if (field.number == 4) limits->received_bytes_max = field.value;
    if (field.number > 4) return false;
  }
  return !reader.malformed();
}

bool DecodeSecret(absl::string_view bytes, EgressSecrets* secrets) {
  std::string name;
  std::string value;
  WireReader reader(bytes);
  for (WireField field; reader.Next(&field);) {
    if (field.number > 2 || !TakeText(field, field.number == 1 ? &name : &value)) return false;
  }
  secrets->insert_or_assign(std::move(name), SecretValue(std::move(value)));
  Wipe(&value);  // a short string's bytes stay where they were moved from
  return !reader.malformed();
}

bool TakePolicyField(const WireField& field, EgressPolicy* policy, EgressSecrets* secrets) {
  uint32_t number = 0;
  switch (field.number) {
    case kMode:
      if (!TakeNumber(field, &number)) return false;
      policy->mode = static_cast<EgressMode>(number);
      return true;
    case kRules:
      return field.is_bytes && DecodeRule(field.bytes, &policy->rules.emplace_back());
    case kPresets:
      return Append(field, &policy->presets);
    case kLimits:
      return field.is_bytes && DecodeLimits(field.bytes, &policy->limits);
    case kRanges:
      return Append(field, &policy->private_ranges_allowed);
    case kSecrets:
      return field.is_bytes && DecodeSecret(field.bytes, secrets);
    default:
      return false;
  }
}

}  // namespace

std::string EncodeEgressPolicy(const EgressPolicy& policy, const EgressSecrets& secrets) {
  WireWriter writer;
  writer.Number(kMode, static_cast<uint32_t>(policy.mode));
  for (const EgressRule& rule : policy.rules) writer.Bytes(kRules, EncodeRule(rule));
  for (const std::string& preset : policy.presets) writer.Bytes(kPresets, preset);
  writer.Bytes(kLimits, EncodeLimits(policy.limits));
  for (const std::string& range : policy.private_ranges_allowed) writer.Bytes(kRanges, range);
  size_t room = 0;
  for (const auto& [name, value] : secrets) room += 2 * RoomFor(name, value);
  writer.Reserve(room);
  for (const auto& [name, value] : secrets) {
    std::string secret = EncodeSecret(name, value);
    writer.Bytes(kSecrets, secret);
    Wipe(&secret);
  }
  return writer.Take();
}

absl::StatusOr<EgressPolicy> DecodeEgressPolicy(absl::string_view bytes, EgressSecrets* secrets) {
  if (bytes.size() > kEgressPolicyBytesMax) return Wrong();
  EgressPolicy policy;
  EgressSecrets found;
  WireReader reader(bytes);
  for (WireField field; reader.Next(&field);) {
    if (!TakePolicyField(field, &policy, &found)) return Wrong();
  }
  if (reader.malformed()) return Wrong();
  if (secrets != nullptr) *secrets = std::move(found);
  return policy;
}

}  // namespace glovebox

#include "service/convert_egress.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "policy/egress_rules.h"
#include "service/convert_time.h"
#include "service/request_error.h"

namespace glovebox {
namespace {

// What EgressRules::Compile says of a policy, as an error of the request that has it at `field`.
absl::Status At(absl::string_view field, const absl::Status& status) {
  ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail{"INVALID_FIELD", {}});
  const std::string inner = detail.metadata["field"];
  detail.metadata["field"] = inner.empty() ? std::string(field) : absl::StrCat(field, ".", inner);
  return DetailedError(status.code(), absl::StrCat(field, ".", status.message()), detail);
}

absl::StatusOr<EgressMode> ModeFromProto(v1::EgressMode mode, absl::string_view field) {
  switch (static_cast<int>(mode)) {
    case v1::EGRESS_MODE_UNSPECIFIED:
    case v1::EGRESS_MODE_NONE:
      return EgressMode::kNone;
    case v1::EGRESS_MODE_ALLOW_LIST:
      return EgressMode::kAllowList;
    case v1::EGRESS_MODE_FULL:
      return EgressMode::kFull;
    default:
      return FieldError(field, "is of a later release; give NONE, ALLOW_LIST or FULL");
  }
}

absl::StatusOr<EgressScheme> SchemeFromProto(v1::EgressScheme scheme, absl::string_view field) {
  switch (static_cast<int>(scheme)) {
    case v1::EGRESS_SCHEME_UNSPECIFIED:
    case v1::EGRESS_SCHEME_TCP:
      return EgressScheme::kTcp;
    case v1::EGRESS_SCHEME_HTTP:
      return EgressScheme::kHttp;
    case v1::EGRESS_SCHEME_TLS:
      return EgressScheme::kTls;
    case v1::EGRESS_SCHEME_HTTPS:
      return EgressScheme::kHttps;
    default:
      return FieldError(field, "is of a later release; give TCP, HTTP, TLS or HTTPS");
  }
}

v1::EgressMode ToProto(EgressMode mode) {
  switch (mode) {
    case EgressMode::kNone:
      return v1::EGRESS_MODE_NONE;
    case EgressMode::kAllowList:
      return v1::EGRESS_MODE_ALLOW_LIST;
    case EgressMode::kFull:
      return v1::EGRESS_MODE_FULL;
  }
  return v1::EGRESS_MODE_UNSPECIFIED;
}

v1::EgressScheme ToProto(EgressScheme scheme) {
  switch (scheme) {
    case EgressScheme::kTcp:
      return v1::EGRESS_SCHEME_TCP;
    case EgressScheme::kHttp:
      return v1::EGRESS_SCHEME_HTTP;
    case EgressScheme::kTls:
      return v1::EGRESS_SCHEME_TLS;
    case EgressScheme::kHttps:
      return v1::EGRESS_SCHEME_HTTPS;
  }
  return v1::EGRESS_SCHEME_UNSPECIFIED;
}

v1::DenialReason ToProto(EgressDenial denial) {
  switch (denial) {
    case EgressDenial::kNone:
      return v1::DENIAL_REASON_UNSPECIFIED;
    case EgressDenial::kNoEgress:
      return v1::DENIAL_REASON_NO_EGRESS;
    case EgressDenial::kNoRule:
      return v1::DENIAL_REASON_NO_RULE;
    case EgressDenial::kRequestNotAllowed:
      return v1::DENIAL_REASON_REQUEST_NOT_ALLOWED;
    case EgressDenial::kPrivateAddress:
      return v1::DENIAL_REASON_PRIVATE_ADDRESS;
    case EgressDenial::kNameMismatch:
      return v1::DENIAL_REASON_NAME_MISMATCH;
    case EgressDenial::kLimit:
      return v1::DENIAL_REASON_LIMIT;
    case EgressDenial::kOriginNotTrusted:
      return v1::DENIAL_REASON_ORIGIN_NOT_TRUSTED;
    case EgressDenial::kSecretMissing:
      return v1::DENIAL_REASON_SECRET_MISSING;
  }
  return v1::DENIAL_REASON_UNSPECIFIED;
}

v1::ConnectionState ToProto(EgressOutcome outcome) {
  switch (outcome) {
    case EgressOutcome::kOpened:
      return v1::CONNECTION_STATE_OPENED;
    case EgressOutcome::kRefused:
      return v1::CONNECTION_STATE_REFUSED;
    case EgressOutcome::kClosed:
      return v1::CONNECTION_STATE_CLOSED;
  }
  return v1::CONNECTION_STATE_UNSPECIFIED;
}

absl::StatusOr<EgressRule> RuleFromProto(const v1::EgressRule& proto, absl::string_view field) {
  EgressRule rule;
  rule.name = proto.name();
  rule.host = proto.host();
  rule.ports = {proto.ports().begin(), proto.ports().end()};
  ASSIGN_OR_RETURN(rule.scheme, SchemeFromProto(proto.scheme(), absl::StrCat(field, ".scheme")));
  rule.methods = {proto.methods().begin(), proto.methods().end()};
  rule.paths = {proto.paths().begin(), proto.paths().end()};
  if (proto.has_credential()) {
    const v1::CredentialUse& use = proto.credential();
    rule.credential =
        EgressCredential{use.secret_name(), use.header(), use.basic_user(), use.prefix()};
  }
  return rule;
}

EgressLimits LimitsFromProto(const v1::EgressLimits& proto) {
  EgressLimits limits;
  if (proto.has_connections_max()) limits.connections_max = proto.connections_max();
  if (proto.has_connections_per_second()) {
    limits.connections_per_second = proto.connections_per_second();
  }
  if (proto.has_sent_bytes_max()) limits.sent_bytes_max = proto.sent_bytes_max();
  if (proto.has_received_bytes_max()) limits.received_bytes_max = proto.received_bytes_max();
  return limits;
}

v1::EgressRule ToProto(const EgressRule& rule) {
  v1::EgressRule proto;
  proto.set_name(rule.name);
  proto.set_host(rule.host);
  proto.mutable_ports()->Assign(rule.ports.begin(), rule.ports.end());
  proto.set_scheme(ToProto(rule.scheme));
  proto.mutable_methods()->Assign(rule.methods.begin(), rule.methods.end());
  proto.mutable_paths()->Assign(rule.paths.begin(), rule.paths.end());
  if (rule.credential.has_value()) {
    v1::CredentialUse& use = *proto.mutable_credential();
    use.set_secret_name(rule.credential->secret_name);
    use.set_prefix(rule.credential->prefix);
    if (!rule.credential->header.empty()) {
      use.set_header(rule.credential->header);
    } else {
      use.set_basic_user(rule.credential->basic_user);
    }
  }
  return proto;
}

}  // namespace

absl::StatusOr<EgressPolicy> FromProto(const v1::EgressPolicy& proto, absl::string_view field) {
  EgressPolicy policy;
  ASSIGN_OR_RETURN(policy.mode, ModeFromProto(proto.mode(), absl::StrCat(field, ".mode")));
  // Before any of them is copied.
  if (static_cast<size_t>(proto.rules_size()) > kEgressRulesMax) {
    return FieldError(absl::StrCat(field, ".rules"),
                      absl::StrCat("at most ", kEgressRulesMax, "; \"*.\" joins many"));
  }
  for (const v1::EgressRule& rule : proto.rules()) {
    ASSIGN_OR_RETURN(policy.rules.emplace_back(),
                     RuleFromProto(rule, absl::StrCat(field, ".rules[", policy.rules.size(), "]")));
  }
  policy.presets = {proto.presets().begin(), proto.presets().end()};
  policy.limits = LimitsFromProto(proto.limits());
  policy.private_ranges_allowed = {proto.private_ranges_allowed().begin(),
                                   proto.private_ranges_allowed().end()};
  const absl::Status valid = EgressRules::Compile(policy).status();
  if (!valid.ok()) return At(field, valid);
  return policy;
}

v1::EgressPolicy ToProto(const EgressPolicy& policy) {
  v1::EgressPolicy proto;
  proto.set_mode(ToProto(policy.mode));
  for (const EgressRule& rule : policy.rules) *proto.add_rules() = ToProto(rule);
  proto.mutable_presets()->Assign(policy.presets.begin(), policy.presets.end());
  v1::EgressLimits& limits = *proto.mutable_limits();
  limits.set_connections_max(policy.limits.connections_max);
  limits.set_connections_per_second(policy.limits.connections_per_second);
  if (policy.limits.sent_bytes_max != UINT64_MAX) {
    limits.set_sent_bytes_max(policy.limits.sent_bytes_max);
  }
  if (policy.limits.received_bytes_max != UINT64_MAX) {
    limits.set_received_bytes_max(policy.limits.received_bytes_max);
  }
  proto.mutable_private_ranges_allowed()->Assign(policy.private_ranges_allowed.begin(),
                                                 policy.private_ranges_allowed.end());
  return proto;
}

v1::ConnectionRecord ToProto(const LoggedConnection& connection) {
  const EgressRecord& record = connection.record;
  v1::ConnectionRecord proto;
  proto.set_cursor(connection.cursor);
  *proto.mutable_start_time() = ToProtoTime(absl::FromUnixMillis(record.start_unix_ms));
  proto.set_sandbox_id(connection.sandbox_id);
  proto.set_exec_id(connection.exec_id);
  proto.set_host(record.host);
  proto.set_port(record.port);
  if (record.address.has_value()) proto.set_address(record.address->Text());
  proto.set_rule(record.rule);
  proto.set_denial_reason(ToProto(record.denial));
  proto.set_method(record.method);
  proto.set_path(record.path);
  proto.set_sent_bytes(record.sent_bytes);
  proto.set_received_bytes(record.received_bytes);
  if (record.outcome == EgressOutcome::kClosed) {
    *proto.mutable_duration() =
        ToProtoDuration(absl::Milliseconds(static_cast<int64_t>(record.duration_ms)));
  }
  proto.set_connection(record.connection);
  proto.set_state(ToProto(record.outcome));
  return proto;
}

}  // namespace glovebox

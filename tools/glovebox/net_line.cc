#include "tools/glovebox/net_line.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "base/escape.h"
#include "policy/host_name.h"
#include "policy/ip_address.h"
#include "tools/glovebox/denial_words.h"
#include "tools/glovebox/json_shapes.h"
#include "tools/glovebox/sizes.h"
#include "tools/glovebox/table.h"

namespace glovebox {
namespace {

constexpr size_t kTextBytesMax = 255;
constexpr size_t kIdBytesMax = 63;
constexpr size_t kShortId = 12;

std::string Escaped(const std::string& text) { return EscapeForPeople(text, kTextBytesMax); }

absl::Duration Length(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// When the record was made: a connection that is closed was asked for earlier.
std::string WhenText(const v1::ConnectionRecord& record) {
  const absl::Time start = absl::FromUnixSeconds(record.start_time().seconds()) +
                           absl::Nanoseconds(record.start_time().nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", start + Length(record.duration()),
                          absl::UTCTimeZone());
}

std::string Target(const v1::ConnectionRecord& record) {
  const std::string host = Escaped(record.host());
  if (record.port() == 0) return absl::StrCat(host, " (name)");
  const bool v6 = record.host().find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", host, "]:", record.port()) : absl::StrCat(host, ":", record.port());
}

std::string Traffic(const v1::ConnectionRecord& record) {
  return absl::StrCat(FormatSize(record.sent_bytes()), " sent, ",
                      FormatSize(record.received_bytes()), " received in ",
                      FormatSeconds(Length(record.duration())));
}

bool IsDenied(const v1::ConnectionRecord& record) {
  return record.denial_reason() != v1::DENIAL_REASON_UNSPECIFIED;
}

std::string WhatText(const v1::ConnectionRecord& record) {
  std::vector<std::string> parts;
  if (!record.method().empty()) {
    parts.push_back(absl::StrCat(Escaped(record.method()), " ", Escaped(record.path())));
  }
  if (!record.rule().empty()) parts.push_back(absl::StrCat("rule ", Escaped(record.rule())));
  const bool closed = record.state() == v1::CONNECTION_STATE_CLOSED;
  if (IsDenied(record)) {
    parts.push_back(absl::StrCat(closed ? "cut: " : "",
                                 DenialWords(record.denial_reason(), record.port() == 0)));
  }
  if (closed && !IsDenied(record) && record.address().empty()) {
    parts.emplace_back("it could not be reached");
  } else if (closed) {
    parts.push_back(Traffic(record));
  }
  const std::string remedy = RemedyOf(record);
  if (!remedy.empty()) parts.push_back(remedy);
  return absl::StrJoin(parts, "; ");
}

const char* StateWord(v1::ConnectionState state) {
  switch (static_cast<int>(state)) {
    case v1::CONNECTION_STATE_OPENED:
      return "open";
    case v1::CONNECTION_STATE_REFUSED:
      return "REFUSED";
    case v1::CONNECTION_STATE_CLOSED:
      return "close";
    default:
      return "?";
  }
}

std::string PortsText(const v1::EgressRule& rule) {
  if (rule.ports_size() > 0) return absl::StrJoin(rule.ports(), ",");
  return rule.scheme() == v1::EGRESS_SCHEME_HTTP ? "80" : "443";
}

std::string Words(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::vector<std::string> escaped;
  for (const std::string& word : words) escaped.push_back(Escaped(word));
  return absl::StrJoin(escaped, ",");
}

}  // namespace

std::string RemedyOf(const v1::ConnectionRecord& record) {
  const bool address = IpAddress::Parse(record.host()).ok();
  const std::string verb =
      absl::StrCat("glovebox egress ", EscapeForPeople(record.sandbox_id().substr(0, kShortId)));
  switch (static_cast<int>(record.denial_reason())) {
    case v1::DENIAL_REASON_NO_EGRESS:
    case v1::DENIAL_REASON_NO_RULE: {
      if (record.state() != v1::CONNECTION_STATE_REFUSED) return "";
      if (address) return "rules are for names: connect by name";
      if (!HostName::Parse(record.host()).ok()) return "";
      const std::string port =
          record.port() == 0 || record.port() == 443 ? "" : absl::StrCat(":", record.port());
      return absl::StrCat("to allow it: ", verb, " --add --allow ", record.host(), port);
    }
    case v1::DENIAL_REASON_REQUEST_NOT_ALLOWED:
      return "a rule with them would allow it";
    case v1::DENIAL_REASON_PRIVATE_ADDRESS:
      return absl::StrCat("for a private network, where the node permits it: ", verb,
                          " --add --allow-private CIDR");
    case v1::DENIAL_REASON_LIMIT:
      return "raise the policy's limits, or wait";
    default:
      return "";
  }
}

std::string NetLine(const v1::ConnectionRecord& record, bool sandbox) {
  std::vector<std::string> parts = {WhenText(record)};
  if (sandbox) {
    parts.push_back(EscapeForPeople(record.sandbox_id().substr(0, kShortId), kIdBytesMax));
  }
  parts.push_back(record.exec_id().empty() ? "-" : EscapeForPeople(record.exec_id(), kIdBytesMax));
  parts.emplace_back(StateWord(record.state()));
  parts.push_back(Target(record));
  parts.push_back(record.address().empty() ? "-" : EscapeForPeople(record.address(), kIdBytesMax));
  parts.push_back(WhatText(record));
  return absl::StrCat(absl::StrJoin(parts, "  "), "\n");
}

std::string PolicyText(const v1::EgressPolicy& policy) {
  const std::string mode = EnumWord(v1::EgressMode_Name(policy.mode()), "EGRESS_MODE_");
  std::string text = absl::StrCat("mode      ", absl::StrReplaceAll(mode, {{"_", "-"}}), "\n");
  if (policy.presets_size() > 0) {
    absl::StrAppend(&text, "presets   ", Words(policy.presets()), "\n");
  }
  if (policy.private_ranges_allowed_size() > 0) {
    absl::StrAppend(&text, "private   ", Words(policy.private_ranges_allowed()), "\n");
  }
  const v1::EgressLimits& limits = policy.limits();
  absl::StrAppend(&text, "limits    ", limits.connections_max(), " connections, ",
                  limits.connections_per_second(), " new ones in a second");
  if (limits.has_sent_bytes_max()) {
    absl::StrAppend(&text, ", ", FormatSize(limits.sent_bytes_max()), " sent");
  }
  if (limits.has_received_bytes_max()) {
    absl::StrAppend(&text, ", ", FormatSize(limits.received_bytes_max()), " received");
  }
  absl::StrAppend(&text, "\n");
  if (policy.rules_size() == 0) return text;
  std::vector<std::vector<std::string>> rows = {
      {"HOST", "PORTS", "SCHEME", "METHODS", "PATHS", "SECRET", "NAME"}};
  for (const v1::EgressRule& rule : policy.rules()) {
    rows.push_back({Escaped(rule.host()), PortsText(rule),
                    EnumWord(v1::EgressScheme_Name(rule.scheme()), "EGRESS_SCHEME_"),
                    rule.methods_size() == 0 ? "all" : Words(rule.methods()),
                    rule.paths_size() == 0 ? "all" : Words(rule.paths()),
                    rule.has_credential() ? Escaped(rule.credential().secret_name()) : "-",
                    Escaped(rule.name())});
  }
  return absl::StrCat(text, FormatTable(rows, false));
}

}  // namespace glovebox

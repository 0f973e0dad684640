#include "daemon/egress_message.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace glovebox {
namespace {

constexpr int64_t kUnixMsMax = int64_t{253'402'300'799} * 1000;  // the year 9999, as protos take it
constexpr uint64_t kLostMax = uint64_t{1} << 40;                 // they are added up

absl::Status Wrong(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("glovebox-egress said what it never says: ", what));
}

// Printable ASCII with zeros behind it, one at least.
template <size_t size>
absl::StatusOr<std::string> TextOf(const char (&array)[size]) {
  const char* const end = std::find(array, array + size, '\0');
  if (end == array + size) return Wrong("a text without an end");
  if (!std::all_of(array, end, [](char c) { return c >= ' ' && c < 0x7f; })) {
    return Wrong("a text that cannot be printed");
  }
  if (!std::all_of(end, array + size, [](char c) { return c == 0; })) {
    return Wrong("something after a text");
  }
  return std::string(array, end);
}

absl::StatusOr<std::optional<IpAddress>> AddressOf(const EgressMessage& message) {
  const EgressEndpoint& endpoint = message.address;
  const bool has = message.has_address == 1;
  const size_t used = !has ? 0 : endpoint.is_v6 == 1 ? sizeof endpoint.address : 4;
  const bool rest_is_zero = std::all_of(endpoint.address + used, std::end(endpoint.address),
                                        [](uint8_t byte) { return byte == 0; });
  if (message.has_address > 1 || endpoint.is_v6 > 1 || !rest_is_zero) {
    return Wrong("an address that is none");
  }
  if (!has) {
    if (endpoint.is_v6 != 0 || endpoint.port != 0) return Wrong("half an address");
    return std::nullopt;
  }
  if (endpoint.port != message.port) return Wrong("an address at another port");
  IpAddress address;
  address.is_v6 = endpoint.is_v6 == 1;
  std::copy(std::begin(endpoint.address), std::end(endpoint.address), address.bytes.begin());
  return address;
}

absl::Status CheckEvent(const EgressMessage& message) {
  const auto outcome = static_cast<EgressOutcome>(message.event);
  const bool denied = message.denial != 0;
  if (!IsEgressDenial(message.denial)) return Wrong("no such denial");
  if (message.port > UINT16_MAX) return Wrong("a port that is none");
  if (message.start_unix_ms < 0 || message.start_unix_ms > kUnixMsMax ||
      message.duration_ms > static_cast<uint64_t>(kUnixMsMax)) {
    return Wrong("a time that is none");
  }
  if (message.command > UINT32_MAX || (message.command != 0 && message.command_cgroup_id != 0)) {
    return Wrong("a command that is none");
  }
  if (message.lost > kLostMax) return Wrong("more lost than there can have been");
  switch (outcome) {
    case EgressOutcome::kOpened:
      return denied ? Wrong("what was refused was opened") : absl::OkStatus();
    case EgressOutcome::kRefused:
      return denied ? absl::OkStatus() : Wrong("a refusal for no reason");
    case EgressOutcome::kClosed:
      return absl::OkStatus();
  }
  return Wrong("an event of no kind");
}

absl::StatusOr<EgressRecord> RecordOf(const EgressMessage& message) {
  RETURN_IF_ERROR(CheckEvent(message));
  EgressRecord record;
  record.connection = message.connection;
  record.outcome = static_cast<EgressOutcome>(message.event);
  record.denial = static_cast<EgressDenial>(message.denial);
  ASSIGN_OR_RETURN(record.host, TextOf(message.host));
  record.port = static_cast<uint16_t>(message.port);
  ASSIGN_OR_RETURN(record.address, AddressOf(message));
  ASSIGN_OR_RETURN(record.rule, TextOf(message.rule));
  ASSIGN_OR_RETURN(record.method, TextOf(message.method));
  ASSIGN_OR_RETURN(record.path, TextOf(message.path));
  record.command = static_cast<uint32_t>(message.command);
  record.command_cgroup_id = message.command_cgroup_id;
  record.start_unix_ms = message.start_unix_ms;
  record.duration_ms = message.duration_ms;
  record.sent_bytes = message.sent_bytes;
  record.received_bytes = message.received_bytes;
  record.lost = message.lost;
  return record;
}

}  // namespace

absl::StatusOr<EgressReport> ParseEgressMessage(absl::string_view bytes, size_t fds) {
  EgressMessage message;
  if (bytes.size() != sizeof message) return Wrong("a message of another size");
  if (fds != 0) return Wrong("a message with descriptors");
  std::memcpy(&message, bytes.data(), sizeof message);
  if (message.magic != kEgressMagic || message.version != kEgressVersion) {
    return Wrong("a message of another version");
  }
  EgressReport report;
  report.kind = message.kind;
  ASSIGN_OR_RETURN(report.text, TextOf(message.text));
  switch (message.kind) {
    case EgressMessageKind::kReady:
      if (!report.text.empty()) return Wrong("more than that it is ready");
      return report;
    case EgressMessageKind::kFailed:
      return report;
    case EgressMessageKind::kAnswer:
      if (message.failed > 1) return Wrong("an answer of another form");
      report.sequence = message.sequence;
      report.failed = message.failed == 1;
      report.connections_cut = message.connections_cut;
      report.sandbox = message.sandbox;
      return report;
    case EgressMessageKind::kEvent:
      if (!report.text.empty()) return Wrong("an event with a text");
      report.sandbox = message.sandbox;
      ASSIGN_OR_RETURN(report.record, RecordOf(message));
      return report;
  }
  return Wrong("a message of no kind");
}

}  // namespace glovebox

#include "egress/dns_message.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "egress/byte_reader.h"

namespace glovebox {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kLabelBytesMax = 63;
constexpr size_t kWireNameBytesMax = 255;
constexpr uint32_t kClassIn = 1;
constexpr uint32_t kTypeOpt = 41;
constexpr uint32_t kUdpBytes = 1232;  // that we say we take: no fragment

// Of the second word of the header.
constexpr uint32_t kIsAnswer = 0x8000;
constexpr uint32_t kOperation = 0x7800;
constexpr uint32_t kAuthoritative = 0x0400;
constexpr uint32_t kRecursionDesired = 0x0100;
constexpr uint32_t kRecursionAvailable = 0x0080;
constexpr uint32_t kCheckingDisabled = 0x0010;

void PutNumber(std::string* out, size_t size, uint32_t value) {
  for (size_t i = size; i > 0; --i) out->push_back(static_cast<char>(value >> (8 * (i - 1))));
}

// False when it is malformed. `text` is what the labels say; `*plain` is false when one of them has
// a dot in it, which the text would hide.
bool TakeName(ByteReader* reader, std::string* text, bool* plain) {
  size_t wire_bytes = 1;
  for (;;) {
    uint32_t size = 0;
    absl::string_view label;
    // Above 63 are pointers, which have nothing to point to.
    if (!reader->Number(1, &size) || size > kLabelBytesMax || !reader->Take(size, &label)) {
      return false;
    }
    if (size == 0) return true;
    wire_bytes += size + 1;
    if (wire_bytes > kWireNameBytesMax) return false;
    if (absl::StrContains(label, '.')) *plain = false;
    if (!text->empty()) text->push_back('.');
    text->append(label.data(), label.size());
  }
}

bool TakeOpt(ByteReader* reader) {
  uint32_t root = 0, type = 0, udp_bytes = 0, flags = 0;
  absl::string_view options;
  return reader->Number(1, &root) && root == 0 && reader->Number(2, &type) && type == kTypeOpt &&
         reader->Number(2, &udp_bytes) && reader->Number(4, &flags) && reader->Vector(2, &options);
}

DnsVerdict ParseBody(ByteReader reader, uint32_t additional, DnsQuery* query) {
  const absl::string_view question = reader.rest();
  std::string text;
  bool plain = true;
  uint32_t type = 0, klass = 0;
  if (!TakeName(&reader, &text, &plain) || !reader.Number(2, &type) || !reader.Number(2, &klass)) {
    return DnsVerdict::kFormatError;
  }
  const size_t question_bytes = question.size() - reader.rest().size();
  if (additional > 1 || (additional == 1 && !TakeOpt(&reader)) || !reader.empty()) {
    return DnsVerdict::kFormatError;
  }
  query->edns = additional == 1;
  query->question = std::string(question.substr(0, question_bytes));
  query->type = static_cast<uint16_t>(type);
  if (klass != kClassIn) return DnsVerdict::kRefused;
  absl::StatusOr<HostName> name = HostName::Parse(text);
  if (plain && name.ok() && !absl::EndsWith(text, ".")) query->name = *std::move(name);
  return DnsVerdict::kQuestion;
}

}  // namespace

DnsQuery ParseDnsQuery(absl::string_view packet) {
  DnsQuery query;
  ByteReader reader(packet);
  uint32_t id = 0, flags = 0, questions = 0, answers = 0, authorities = 0, additional = 0;
  if (packet.size() > kDnsQueryBytesMax || !reader.Number(2, &id) || !reader.Number(2, &flags) ||
      !reader.Number(2, &questions) || !reader.Number(2, &answers) ||
      !reader.Number(2, &authorities) || !reader.Number(2, &additional) ||
      (flags & kIsAnswer) != 0) {
    return query;
  }
  query.id = static_cast<uint16_t>(id);
  query.recursion_desired = (flags & kRecursionDesired) != 0;
  query.checking_disabled = (flags & kCheckingDisabled) != 0;
  if ((flags & kOperation) != 0) {
    query.verdict = DnsVerdict::kNotImplemented;
  } else if (questions != 1 || answers != 0 || authorities != 0) {
    query.verdict = DnsVerdict::kFormatError;
  } else {
    query.verdict = ParseBody(reader, additional, &query);
  }
  return query;
}

std::string DnsAnswer(const DnsQuery& query, DnsCode code,
                      const std::optional<IpAddress>& address) {
  const bool has_address = address.has_value() && !address->is_v6 && code == DnsCode::kNoError;
  uint32_t flags = kIsAnswer | kAuthoritative | kRecursionAvailable | static_cast<uint32_t>(code);
  if (query.recursion_desired) flags |= kRecursionDesired;
  if (query.checking_disabled) flags |= kCheckingDisabled;
  std::string answer;
  PutNumber(&answer, 2, query.id);
  PutNumber(&answer, 2, flags);
  PutNumber(&answer, 2, query.question.empty() ? 0 : 1);
  PutNumber(&answer, 2, has_address ? 1 : 0);
  PutNumber(&answer, 2, 0);
  PutNumber(&answer, 2, query.edns ? 1 : 0);
  answer += query.question;
  if (has_address) {
    PutNumber(&answer, 2, 0xc000 | kHeaderBytes);  // the name of the question
    PutNumber(&answer, 2, static_cast<uint32_t>(DnsType::kA));
    PutNumber(&answer, 2, kClassIn);
    PutNumber(&answer, 4, kDnsAnswerSeconds);
    PutNumber(&answer, 2, 4);
    PutNumber(&answer, 4, address->V4HostOrder());
  }
  if (query.edns) {
    PutNumber(&answer, 1, 0);
    PutNumber(&answer, 2, kTypeOpt);
    PutNumber(&answer, 2, kUdpBytes);
    PutNumber(&answer, 4, 0);
    PutNumber(&answer, 2, 0);
  }
  return answer;
}

}  // namespace glovebox

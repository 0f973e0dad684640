// What a glovebox-egress that somebody took over sends to the daemon: whatever it says, what is
// taken of it is an answer, or a record of bounded printable words.
#include "daemon/egress_message.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {
namespace {

void CheckRecord(const EgressRecord& record) {
  Demand(record.host.size() < 256 && record.rule.size() < 64 && record.method.size() < 32 &&
             record.path.size() < 512,
         "words are bounded");
  Demand(IsPrintable(record.host + record.rule + record.method + record.path), "and printable");
  const auto outcome = static_cast<uint32_t>(record.outcome);
  Demand(outcome >= 1 && outcome <= 3, "an outcome that there is");
  Demand(IsEgressDenial(static_cast<uint32_t>(record.denial)), "a denial that there is");
  const bool denied = record.denial != EgressDenial::kNone;
  Demand(record.outcome != EgressOutcome::kOpened || !denied, "what was opened was not refused");
  Demand(record.outcome != EgressOutcome::kRefused || denied, "a refusal has its reason");
  Demand(record.start_unix_ms >= 0, "a time that is one");
  if (record.address.has_value()) {
    Demand(IpAddress::Parse(record.address->Text()).value() == *record.address, "an address");
  }
}

}  // namespace

void FuzzEgressMessage(absl::string_view input) {
  FuzzInput parts(input);
  const size_t fds = parts.Byte() % 4;
  const absl::string_view bytes = parts.Rest();
  const auto report = ParseEgressMessage(bytes, fds);
  if (!report.ok()) return;
  Demand(bytes.size() == sizeof(EgressMessage) && fds == 0, "a message has one form");
  Demand(report->text.size() < 256 && IsPrintable(report->text), "a text can be shown");
  if (report->kind == EgressMessageKind::kEvent) CheckRecord(report->record);
}

}  // namespace glovebox

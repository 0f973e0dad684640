// A packet to the sandbox's name server: an answer is short, and about what was asked.
#include "absl/strings/match.h"
#include "egress/dns_message.h"
#include "egress/synthetic_names.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"

namespace glovebox {

void FuzzDnsQuery(absl::string_view input) {
  const DnsQuery query = ParseDnsQuery(input);
  if (query.verdict == DnsVerdict::kDrop) return;
  Demand(query.question.size() <= 259, "a question is bounded");
  Demand(query.question.empty() || absl::StrContains(input, query.question), "and was asked");
  Demand(!query.name.has_value() || query.verdict == DnsVerdict::kQuestion,
         "a name is of a question");
  SyntheticNames names;
  std::optional<IpAddress> address;
  if (query.name.has_value()) {
    address = names.AddressOf(*query.name);
    Demand(address.has_value() && names.NameOf(*address)->value() == query.name->value(),
           "an address stands for its name");
  }
  for (const DnsCode code : {DnsCode::kNoError, DnsCode::kNoSuchName, DnsCode::kFormatError}) {
    const std::string answer = DnsAnswer(query, code, address);
    Demand(answer.size() <= kDnsAnswerBytesMax, "an answer is bounded");
    Demand(answer.size() >= 12 && (answer[2] & 0x80) != 0, "an answer is one");
    Demand(ParseDnsQuery(answer).verdict == DnsVerdict::kDrop, "which is never answered");
  }
}

}  // namespace glovebox

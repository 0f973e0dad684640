#include "service/convert_denials.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "policy/seccomp_answer.h"

namespace glovebox {
namespace {

// "mount" or, where arguments decided, "socket(0x2, 0x3, 0x0)": those that the call's rules look
// at, the others left out as "_".
std::string TargetOf(const SeccompVerdict& verdict, const RefusedCallFacts& facts) {
  std::string text = verdict.name;
  if (verdict.rule == nullptr) return text;
  const uint32_t ruled = RuledArguments(verdict.rule->number);
  const char* separator = "(";
  for (uint32_t i = 0; i < 3 && ruled >> i != 0; ++i) {
    absl::StrAppend(&text, separator);
    if ((ruled >> i & 1) != 0) {
      absl::StrAppend(&text, "0x", absl::Hex(facts.arguments[i]));
    } else {
      absl::StrAppend(&text, "_");
    }
    separator = ", ";
  }
  return absl::StrCat(text, ")");
}

// What would let the connection through, for people; "": nothing does.
std::string RemedyOf(const RefusedConnection& refused) {
  switch (refused.denial) {
    case EgressDenial::kNoEgress:
    case EgressDenial::kNoRule:
      return refused.port == 0
                 ? absl::StrCat("a rule of its egress policy for ", refused.host, " allows it")
                 : absl::StrCat("a rule of its egress policy for ", refused.host, " and port ",
                                refused.port, " allows it");
    case EgressDenial::kRequestNotAllowed:
      return "a rule of its egress policy with that method and path allows it";
    case EgressDenial::kNameMismatch:
      return "ask for the same host in TLS or in the Host header as the connection is for";
    case EgressDenial::kLimit:
      return "fewer connections or bytes, or higher limits of its egress policy";
    case EgressDenial::kOriginNotTrusted:
      return "a valid certificate of the host, or its root among those of the node "
             "(egress.origin_roots in its configuration)";
    case EgressDenial::kSecretMissing:
      return "create the secret that the rule of its egress policy names";
    case EgressDenial::kPrivateAddress:
    case EgressDenial::kNone:
      break;
  }
  return "";
}

// Numbers of v1.DenialReason and EgressDenial are the same (policy/egress_policy.h).
void AddConnection(const RefusedConnection& refused, v1::End* end) {
  v1::Denial* const denial = end->add_denials();
  const bool is_v6 = refused.host.find(':') != std::string::npos;
  const std::string host = is_v6 ? absl::StrCat("[", refused.host, "]") : refused.host;
  denial->set_target(refused.port == 0 ? host : absl::StrCat(host, ":", refused.port));
  denial->set_reason(static_cast<v1::DenialReason>(refused.denial));
  denial->set_count(refused.count);
  denial->set_remedy(RemedyOf(refused));
}

}  // namespace

void SetDenials(const ExecResult& result, v1::End* end) {
  for (const RefusedCallFacts& facts : result.refused_calls) {
    SeccompCall call{facts.i386 ? SeccompArch::kI386 : SeccompArch::kX86_64, facts.number, {}};
    for (int i = 0; i < 3; ++i) call.arguments[i] = facts.arguments[i];
    const std::optional<SeccompVerdict> verdict = ExplainRefusal(call, facts.error);
    if (!verdict.has_value()) continue;
    v1::Denial* denial = end->add_denials();
    denial->set_target(TargetOf(*verdict, facts));
    denial->set_reason(v1::DENIAL_REASON_SYSTEM_CALL);
    denial->set_count(facts.count);
    denial->set_remedy(verdict->remedy);
    denial->set_rule(verdict->why);
    denial->set_error_number(facts.error);
  }
  for (const RefusedConnection& refused : result.refused_connections) {
    AddConnection(refused, end);
  }
  end->set_denials_uncounted(result.refused_calls_uncounted + result.refused_connections_uncounted);
}

}  // namespace glovebox

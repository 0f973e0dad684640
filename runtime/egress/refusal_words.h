// How a refusal is said to the program that was refused, and to who reads its output.
#ifndef GLOVEBOX_EGRESS_REFUSAL_WORDS_H_
#define GLOVEBOX_EGRESS_REFUSAL_WORDS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "egress/destination.h"
#include "policy/egress_policy.h"

namespace glovebox {

// As in v1.DenialReason, without its prefix: "NO_RULE". "NONE" of kNone.
absl::string_view DenialWord(EgressDenial denial);

// One line of printable ASCII: what was refused, why, and that another route is no answer.
// `detail` of kOriginNotTrusted: what is wrong with the certificate.
std::string RefusalSentence(const Destination& asked, EgressDenial denial,
                            absl::string_view detail = "");

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_REFUSAL_WORDS_H_

#include "egress/refusal_words.h"

#include "absl/strings/str_cat.h"

namespace glovebox {
namespace {

absl::string_view Because(EgressDenial denial) {
  switch (denial) {
    case EgressDenial::kNone:
      return "nothing was refused";
    case EgressDenial::kNoEgress:
      return "the sandbox has no network";
    case EgressDenial::kNoRule:
      return "no rule has this name and port";
    case EgressDenial::kRequestNotAllowed:
      return "the rule for this name does not have the method and path";
    case EgressDenial::kPrivateAddress:
      return "its address is private or special";
    case EgressDenial::kNameMismatch:
      return "the TLS name, the Host header and the destination do not agree";
    case EgressDenial::kLimit:
      return "a limit of the sandbox is reached";
    case EgressDenial::kOriginNotTrusted:
      return "the host's certificate is not valid";
    case EgressDenial::kSecretMissing:
      return "the secret that its rule adds is not there any more";
  }
  return "unknown";
}

}  // namespace

absl::string_view DenialWord(EgressDenial denial) {
  switch (denial) {
    case EgressDenial::kNone:
      return "NONE";
    case EgressDenial::kNoEgress:
      return "NO_EGRESS";
    case EgressDenial::kNoRule:
      return "NO_RULE";
    case EgressDenial::kRequestNotAllowed:
      return "REQUEST_NOT_ALLOWED";
    case EgressDenial::kPrivateAddress:
      return "PRIVATE_ADDRESS";
    case EgressDenial::kNameMismatch:
      return "NAME_MISMATCH";
    case EgressDenial::kLimit:
      return "LIMIT";
    case EgressDenial::kOriginNotTrusted:
      return "ORIGIN_NOT_TRUSTED";
    case EgressDenial::kSecretMissing:
      return "SECRET_MISSING";
  }
  return "NONE";
}

std::string RefusalSentence(const Destination& asked, EgressDenial denial,
                            absl::string_view detail) {
  if (denial == EgressDenial::kOriginNotTrusted) {
    return absl::StrCat("glovebox: the certificate of ", asked.Host(), " port ", asked.port,
                        " is not one that is trusted for that name: ", detail);
  }
  return absl::StrCat("glovebox: the policy of this sandbox refuses ", asked.Host(), " port ",
                      asked.port, ": ", Because(denial),
                      ". This is a decision and no fault; another route will be refused as well.");
}

}  // namespace glovebox

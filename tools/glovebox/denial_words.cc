#include "tools/glovebox/denial_words.h"

#include "absl/strings/str_cat.h"

namespace glovebox {

std::string DenialWords(v1::DenialReason reason, bool name_alone) {
  switch (static_cast<int>(reason)) {  // of a newer server it may be any
    case v1::DENIAL_REASON_UNSPECIFIED:
    case v1::DENIAL_REASON_SYSTEM_CALL:
      return "";
    case v1::DENIAL_REASON_NO_EGRESS:
      return "the sandbox's mode is none";
    case v1::DENIAL_REASON_NO_RULE:
      return name_alone ? "no rule has this name" : "no rule has this name and port";
    case v1::DENIAL_REASON_REQUEST_NOT_ALLOWED:
      return "the rule for this name does not have this method and path";
    case v1::DENIAL_REASON_PRIVATE_ADDRESS:
      return "its address is private or special";
    case v1::DENIAL_REASON_NAME_MISMATCH:
      return "TLS name, Host header and destination do not agree";
    case v1::DENIAL_REASON_LIMIT:
      return "a limit of the sandbox is reached";
    case v1::DENIAL_REASON_ORIGIN_NOT_TRUSTED:
      return "the certificate of the host is not valid for it";
    case v1::DENIAL_REASON_SECRET_MISSING:
      return "the secret that its rule adds is not there any more";
    default:
      return absl::StrCat("refused for reason ", static_cast<int>(reason), " of a newer daemon");
  }
}

}  // namespace glovebox

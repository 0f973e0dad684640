#include "policy/payload_profile.h"

#include <linux/capability.h>

#include "absl/strings/str_cat.h"

namespace glovebox {

const std::vector<PayloadCapability>& RootInsideCapabilities() {
  static const auto* const capabilities = new std::vector<PayloadCapability>{
      {CAP_CHOWN, "CHOWN", "package managers give files their owners, within the leased range"},
      {CAP_DAC_OVERRIDE, "DAC_OVERRIDE", "root of a system image writes everybody's files"},
      {CAP_FOWNER, "FOWNER", "modes and times of files that it does not own"},
      {CAP_FSETID, "FSETID", "keeps set-id bits that a package brings; they have no effect here"},
      {CAP_KILL, "KILL", "service scripts end processes of other users inside"},
      {CAP_SETGID, "SETGID", "package scripts change to service groups"},
      {CAP_SETUID, "SETUID", "package scripts change to service users (apt's sandbox user)"},
      {CAP_NET_BIND_SERVICE, "NET_BIND_SERVICE", "servers under test listen below port 1024"},
  };
  return *capabilities;
}

uint64_t RootInsideCapabilityMask() {
  uint64_t mask = 0;
  for (const PayloadCapability& capability : RootInsideCapabilities()) {
    mask |= uint64_t{1} << capability.number;
  }
  return mask;
}

std::vector<std::string> DefaultEnvironment(bool as_root) {
  return {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      absl::StrCat("HOME=", as_root ? kRootHome : kCommandHome),
      absl::StrCat("USER=", as_root ? "root" : kCommandUser),
      absl::StrCat("LOGNAME=", as_root ? "root" : kCommandUser),
      "SHELL=/bin/sh",
      // UTF-8 file names and output without any locale installed.
      "LANG=C.UTF-8",
      "TMPDIR=/tmp",
  };
}

}  // namespace glovebox

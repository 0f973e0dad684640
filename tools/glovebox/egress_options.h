// What a sandbox may reach, on the command line.
#ifndef GLOVEBOX_TOOLS_EGRESS_OPTIONS_H_
#define GLOVEBOX_TOOLS_EGRESS_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/network.pb.h"
#include "tools/glovebox/verb.h"

namespace glovebox {

// As typed; "" is absent.
struct EgressOptions {
  std::string mode = {};                         // none, allow-list, full
  std::vector<std::string> allow = {};           // HOST[:PORT[,PORT]]
  std::vector<std::string> requests = {};        // egress_rule_argument.h
  std::vector<std::string> credentials = {};     // likewise
  std::vector<std::string> presets = {};         // NAME
  std::vector<std::string> private_ranges = {};  // CIDR
  std::vector<std::string> limits = {};          // NAME=VALUE
};

// What these options are called.
struct EgressOptionNames {
  const char* mode;
  const char* preset;
  const char* limit;
};
void AddEgressOptions(Verb verb, const EgressOptionNames& names, EgressOptions& options);

// The rules of one HOST[:PORT[,PORT...]]: 443, also without a port, is TLS with that name, 80 is
// HTTP, others are any TCP, in one rule together. INVALID_ARGUMENT for what is neither a name nor
// "*.NAME".
absl::StatusOr<std::vector<v1::EgressRule>> ParseAllow(absl::string_view text);

enum class EgressUse { kWhole, kAddition };  // a policy, or what another one gets besides

// nullopt when nothing was said. Rules and presets make it an allow list. INVALID_ARGUMENT naming
// the option; limits alone are no whole policy: it would allow nothing.
absl::StatusOr<std::optional<v1::EgressPolicy>> BuildEgress(const EgressOptions& options,
                                                            EgressUse use);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_EGRESS_OPTIONS_H_

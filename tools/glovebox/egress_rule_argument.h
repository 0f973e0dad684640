// Rules about requests, on the command line.
#ifndef GLOVEBOX_TOOLS_EGRESS_RULE_ARGUMENT_H_
#define GLOVEBOX_TOOLS_EGRESS_RULE_ARGUMENT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "glovebox/v1/network.pb.h"

namespace glovebox {

// "[METHOD[,METHOD...] ]URL" with a URL of http or https: host, port and path pattern; without a
// path all of them. INVALID_ARGUMENT naming the option.
absl::StatusOr<v1::EgressRule> ParseAllowRequest(absl::string_view text);

// "secret=NAME,url=URL," and "user=USER" or "header=HEADER[,prefix=TEXT]": the requests that the
// URL of https has, with the secret in them. INVALID_ARGUMENT naming the option.
absl::StatusOr<v1::EgressRule> ParseCredential(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_EGRESS_RULE_ARGUMENT_H_

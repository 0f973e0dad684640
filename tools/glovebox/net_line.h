// Records of connections, and what a sandbox may reach, as people read them. Pure; everything that
// came from a sandbox is escaped.
#ifndef GLOVEBOX_TOOLS_NET_LINE_H_
#define GLOVEBOX_TOOLS_NET_LINE_H_

#include <string>

#include "glovebox/v1/network.pb.h"

namespace glovebox {

// One line: when, by which exec, "open", "close" or "REFUSED", where to, the address, and then the
// rule, or why not and what would allow it. `sandbox`: with the beginning of the sandbox's id.
std::string NetLine(const v1::ConnectionRecord& record, bool sandbox);

// What would allow what was refused, for people. "": nothing would.
std::string RemedyOf(const v1::ConnectionRecord& record);

// The mode, a table of the rules, what else there is.
std::string PolicyText(const v1::EgressPolicy& policy);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_NET_LINE_H_

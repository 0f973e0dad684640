// Why a connection was refused, for people.
#ifndef GLOVEBOX_TOOLS_DENIAL_WORDS_H_
#define GLOVEBOX_TOOLS_DENIAL_WORDS_H_

#include <string>

#include "glovebox/v1/network.pb.h"

namespace glovebox {

// `name_alone`: only the name was asked for, no port yet. "": of a system call, or not refused.
std::string DenialWords(v1::DenialReason reason, bool name_alone);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_DENIAL_WORDS_H_

// The system calls of glovebox-front, and no other.
#ifndef GLOVEBOX_FRONT_CALL_FILTER_H_
#define GLOVEBOX_FRONT_CALL_FILTER_H_

#include <vector>

#include "linux/allow_filter.h"

namespace glovebox {

const std::vector<AllowedCall>& FrontCalls();

}  // namespace glovebox

#endif  // GLOVEBOX_FRONT_CALL_FILTER_H_

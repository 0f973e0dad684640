// The system calls of glovebox-egress, and no other.
#ifndef GLOVEBOX_EGRESS_CALL_FILTER_H_
#define GLOVEBOX_EGRESS_CALL_FILTER_H_

#include <vector>

#include "linux/allow_filter.h"

namespace glovebox {

const std::vector<AllowedCall>& EgressCalls();

}  // namespace glovebox

#endif  // GLOVEBOX_EGRESS_CALL_FILTER_H_

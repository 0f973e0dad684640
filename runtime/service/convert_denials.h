// What was refused to an exec, in the words of the wire.
#ifndef GLOVEBOX_SERVICE_CONVERT_DENIALS_H_
#define GLOVEBOX_SERVICE_CONVERT_DENIALS_H_

#include "exec/exec_spec.h"
#include "glovebox/v1/frame.pb.h"

namespace glovebox {

// Adds the refused system calls to `end`, each with its reason and remedy. Pure.
void SetDenials(const ExecResult& result, v1::End* end);

}  // namespace glovebox

#endif  // GLOVEBOX_SERVICE_CONVERT_DENIALS_H_

// What verbs print on stdout.
#ifndef GLOVEBOX_TOOLS_PRINT_H_
#define GLOVEBOX_TOOLS_PRINT_H_

#include "absl/strings/string_view.h"

namespace glovebox {

// All of `text`; 0, or the exit code for a stdout that cannot be written: silent when its reader
// went away.
int Print(absl::string_view text);

}  // namespace glovebox

#endif  // GLOVEBOX_TOOLS_PRINT_H_

// The part of a list of changes that a request asks for.
#ifndef GLOVEBOX_CHANGES_PATH_SCOPE_H_
#define GLOVEBOX_CHANGES_PATH_SCOPE_H_

#include <string>
#include <vector>

#include "changes/change.h"

namespace glovebox {

// Keeps what is at or below one of `paths`, all when there is none; and the removal of a file below
// which something was added that is kept, without which no patch of it applies.
void KeepChangesOf(const std::vector<std::string>& paths, std::vector<Change>* changes);

}  // namespace glovebox

#endif  // GLOVEBOX_CHANGES_PATH_SCOPE_H_

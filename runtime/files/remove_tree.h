// Removal of a tree that others may change meanwhile.
#ifndef GLOVEBOX_FILES_REMOVE_TREE_H_
#define GLOVEBOX_FILES_REMOVE_TREE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// Removes the directory `name` with what is below it. Goes down by descriptors, through no link and
// onto no other mount; holds 17 descriptors at most, at any depth. Reads each name about twice:
// what `names_read` counts, for tests. `path` is for messages.
absl::Status RemoveTree(int directory, const std::string& name, absl::string_view path,
                        uint64_t* names_read = nullptr);

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_REMOVE_TREE_H_

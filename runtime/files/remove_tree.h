// Removal of a tree that others may change meanwhile.
#ifndef GLOVEBOX_FILES_REMOVE_TREE_H_
#define GLOVEBOX_FILES_REMOVE_TREE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace glovebox {

// Removes the directory `name` with what is below it. Goes down by descriptors, through no link and
// onto no other mount; holds two descriptors at any depth. `path` is for messages.
absl::Status RemoveTree(int directory, const std::string& name, absl::string_view path);

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_REMOVE_TREE_H_

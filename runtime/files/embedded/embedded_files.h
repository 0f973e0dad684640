// glovebox-files as a descriptor that sandboxes' inits can execute.
#ifndef GLOVEBOX_FILES_EMBEDDED_EMBEDDED_FILES_H_
#define GLOVEBOX_FILES_EMBEDDED_EMBEDDED_FILES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// A sealed memory file with the program, for everybody to execute and for nobody to read.
absl::StatusOr<std::shared_ptr<const UniqueFd>> MakeFilesProgram();

}  // namespace glovebox

#endif  // GLOVEBOX_FILES_EMBEDDED_EMBEDDED_FILES_H_

// glovebox-importer as a file that worker sandboxes can be shown.
#ifndef GLOVEBOX_IMPORTER_EMBEDDED_EMBEDDED_IMPORTER_H_
#define GLOVEBOX_IMPORTER_EMBEDDED_EMBEDDED_IMPORTER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace glovebox {

// Writes the program to <directory>/glovebox-importer, in the place of an earlier release's, and
// returns it, O_PATH.
absl::StatusOr<std::shared_ptr<const UniqueFd>> WriteImporter(const std::string& directory);

}  // namespace glovebox

#endif  // GLOVEBOX_IMPORTER_EMBEDDED_EMBEDDED_IMPORTER_H_
